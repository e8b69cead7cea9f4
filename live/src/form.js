// A form of the page: sends it as a document, and shows its outcome.

import { told } from "./pane.js";

// `send` returns the outcome that is stamped on the document, and `done` what is said when it has taken effect.
export function serveForm(form, send, done) {
  const outcome = form.querySelector(".outcome");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    showErrors(form, {});
    outcome.textContent = "Sent; it takes effect …";
    try {
      const fields = Object.fromEntries(new FormData(form));
      const stamped = await send(fields);
      showErrors(form, stamped.errors ?? {});
      if (stamped.status === "done") {
        outcome.textContent = done(fields);
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
  for (const input of form.querySelectorAll("input")) {
    const messages = errors[input.name] ?? [];
    input.setAttribute("aria-invalid", String(messages.length > 0));
    document.querySelector(`#${input.id}-error`).textContent = messages.join(" ");
  }
}
