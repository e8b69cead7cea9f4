// The poll in a participant's pane: its answers, and their votes as they come, until it closes at its time.

import * as updates from "./updates.js";

export class PollBox {
  constructor(participant, element, others, onProblem) {
    this.participant = participant;
    this.element = element;
    this.others = others;
    this.onProblem = onProblem;
    this.buttons = [...element.querySelectorAll("button")];
    for (const button of this.buttons) {
      button.addEventListener("click", () => this.vote(button.value));
    }
  }

  begin() {
    this.participant.listenToPolls((id, view) => this.show(id, view), (vote) => this.showVote(vote), this.onProblem);
  }

  show(id, view) {
    this.id = id;
    this.view = view;
    const total = Object.values(view.votes).reduce((sum, votes) => sum + votes, 0);
    for (const button of this.buttons) {
      const votes = view.votes[button.value] ?? 0;
      const item = button.parentElement;
      item.querySelector(".votes").textContent = votes;
      item.querySelector("meter").value = total ? votes / total : 0;
      button.disabled = !view.open;
    }
    const state = `${view.open ? "Open until" : "Closed at"} ${view.closesAt.toDate().toLocaleTimeString()}`;
    this.element.querySelector(".question").textContent = view.question;
    this.element.querySelector(".poll-state").textContent = `${state}, ${total} ${total === 1 ? "vote" : "votes"}`;
    this.element.hidden = false;
    updates.shown(this, view);
  }

  showVote(vote) {
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.value === vote?.answer));
    }
  }

  async vote(answer) {
    const { votes } = this.view;
    const isShown = (view) => (view.votes[answer] ?? 0) !== (votes[answer] ?? 0);
    const update = updates.begin(`${this.participant.person.name} votes ${answer}`, isShown, this.others());
    this.onProblem(null);
    try {
      await this.participant.vote(this.id, answer);
    } catch (error) {
      updates.fail(update, "refused");
      this.onProblem(error);
    }
  }
}
