// The pane of one participant.

import { PollBox } from "./poll.js";
import * as updates from "./updates.js";

const template = document.querySelector("#pane");

export class Pane {
  constructor(participant, all, onConnection) {
    const { person } = participant;
    this.participant = participant;
    this.all = all;
    this.onConnection = onConnection;
    this.view = undefined;
    this.isStale = false;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.participant = person.uid;
    this.find(".name").textContent = person.name;
    this.find(".name").id = `name-${person.uid}`;
    this.element.setAttribute("aria-labelledby", `name-${person.uid}`);
    this.find(".organization").textContent = person.organization;
    this.find(".avatar").textContent = person.name[0];
    this.switch = this.find(".switch");
    this.switch.setAttribute("aria-label", `${person.name} attends`);
    this.switch.addEventListener("click", () => this.toggle());
    this.organise = this.find(".organise");
    this.organise.hidden = !person.organises;
    this.organise.addEventListener("click", () => this.setInSession());
    const polls = () => all.map((each) => each.poll);
    this.poll = new PollBox(participant, this.find(".poll"), polls, (error) => this.problem(error));
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  async begin() {
    const problem = (error) => this.problem(error);
    try {
      await this.participant.signIn();
      this.participant.listen((view, metadata) => this.show(view, metadata), (ticket) => this.showTicket(ticket), problem);
      this.poll.begin();
    } catch (error) {
      problem(error);
    }
  }

  show(view, metadata) {
    this.isStale = metadata.fromCache;
    this.onConnection();
    if (!view || JSON.stringify(view) === JSON.stringify(this.view)) {
      return;
    }
    const isFirst = this.view === undefined;
    this.view = view;
    this.find(".meeting").classList.toggle("open", view.inSession);
    this.find(".status").textContent = view.inSession ? "The meeting is in session" : "The meeting is closed";
    this.find(".count").textContent = view.attending.length;
    this.find(".attending").replaceChildren(...items(view.attending));
    this.organise.textContent = view.inSession ? "Close the meeting" : "Open the meeting";
    this.organise.disabled = false;
    const took = updates.shown(this, view);
    this.find(".took").textContent = took === null ? "" : `after ${took.toFixed(0)} ms`;
    if (!isFirst) {
      this.element.classList.add("fresh");
      setTimeout(() => this.element.classList.remove("fresh"), 120);
    }
  }

  showTicket(ticket) {
    this.switch.disabled = !ticket;
    this.switch.setAttribute("aria-checked", String(Boolean(ticket?.attendance)));
  }

  async toggle() {
    const attends = this.switch.getAttribute("aria-checked") !== "true";
    const { name } = this.participant.person;
    const isShown = (view) => view.attending.some((each) => each.name === name) === attends;
    await this.update(`${name} ${attends ? "attends" : "does not attend"}`, isShown, () => this.participant.attend(attends));
  }

  async setInSession() {
    const inSession = !this.view.inSession;
    // Disabled until the view shows the change, because a second click would repeat it.
    this.organise.disabled = true;
    await this.update(
      inSession ? "The meeting is opened" : "The meeting is closed",
      (view) => view.inSession === inSession,
      () => this.participant.setInSession(inSession),
    );
  }

  async update(label, isShown, act) {
    const update = updates.begin(label, isShown, this.all);
    this.problem(null);
    try {
      await act();
    } catch (error) {
      updates.fail(update, "refused");
      this.organise.disabled = false;
      this.problem(error);
    }
  }

  problem(error) {
    this.find(".problem").textContent = error ? told(error) : "";
  }
}

export function told(error) {
  if (error.code === "permission-denied") {
    return "The rules do not allow that.";
  }
  return navigator.onLine ? error.message : "You are offline; that needs a connection.";
}

function items(attending) {
  if (!attending.length) {
    const nobody = document.createElement("li");
    nobody.className = "nobody";
    nobody.textContent = "Nobody yet";
    return [nobody];
  }
  return attending.map((each) => {
    const item = document.createElement("li");
    for (const text of [each.name, each.organization ?? ""]) {
      const part = document.createElement("span");
      part.textContent = text;
      item.append(part);
    }
    return item;
  });
}
