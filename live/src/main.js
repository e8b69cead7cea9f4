// The page: three participants side by side, or the one that `?as=ada` names.

import * as firestore from "firebase/firestore";
import { serveForm } from "./form.js";
import { Pane } from "./pane.js";
import { Participant } from "./participant.js";
import * as updates from "./updates.js";

const settings = await (await fetch("/settings.json")).json();
const only = new URLSearchParams(location.search).get("as");
const people = settings.participants.filter((each) => !only || each.uid === only);
const participants = people.map((each) => new Participant(settings, each));
const panes = [];
panes.push(...participants.map((each) => new Pane(each, panes, showConnection)));
document.querySelector("#panes").replaceChildren(...panes.map((each) => each.element));

const connection = document.querySelector("#connection");

function showConnection() {
  const isOffline = !navigator.onLine || panes.some((each) => each.view && each.isStale);
  connection.classList.toggle("offline", isOffline);
  connection.textContent = isOffline
    ? "You are offline. This is what was known last; what you change is sent when you are back."
    : "Connected. Every list follows by itself.";
}

addEventListener("online", showConnection);
addEventListener("offline", showConnection);
if (settings.costs) {
  updates.followCosts();
} else {
  updates.costsAreUnknown();
}
await Promise.all(panes.map((each) => each.begin()));
const [first] = participants;
serveForm(document.querySelector("#city"), (fields) => first.foundCity(fields), ({ name }) => `Done: ${name} is founded.`);
const organiser = participants.find((each) => each.person.organises);
const poll = document.querySelector("#poll");
poll.hidden = !organiser;
serveForm(poll, (fields) => organiser.ask(fields), ({ question }) => `Done: all are asked: ${question}`);
showConnection();

// For the console: what a curious visitor, and the tests of the rules, try.
window.room = { participants, firestore };
