// The form that founds a city, and its outcome.

import { told } from "./pane.js";

export function cityForm(participant) {
  const form = document.querySelector("#city");
  const outcome = form.querySelector("#city-outcome");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    showErrors(form, {});
    outcome.textContent = "Sent; it takes effect …";
    try {
      const stamped = await participant.foundCity(Object.fromEntries(new FormData(form)));
      showErrors(form, stamped.errors ?? {});
      if (stamped.status === "done") {
        outcome.textContent = `Done: ${form.elements.name.value} is founded.`;
        form.reset();
      } else {
        outcome.textContent = stamped.reason;
        form.querySelector("[aria-invalid=true]")?.focus();
      }
    } catch (error) {
      outcome.textContent = told(error);
    } finally {
      button.disabled = false;
    }
  });
}

function showErrors(form, errors) {
  for (const name of ["name", "country"]) {
    const messages = errors[name] ?? [];
    form.elements[name].setAttribute("aria-invalid", String(messages.length > 0));
    form.querySelector(`#city-${name}-error`).textContent = messages.join(" ");
  }
}
