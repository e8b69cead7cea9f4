// One participant: signed in as themselves, with an app, a token and listeners of their own.

import { initializeApp } from "firebase/app";
import { connectAuthEmulator, getAuth, inMemoryPersistence, setPersistence, signInWithEmailAndPassword } from "firebase/auth";
import {
  connectFirestoreEmulator,
  doc,
  getFirestore,
  limit,
  onSnapshot,
  orderBy,
  query,
  setDoc,
  updateDoc,
} from "firebase/firestore";
import { cityFormCollection, meetingSession, pollFormCollection, pollViewCollection } from "./firestore.ts";

export class Participant {
  constructor(settings, person) {
    this.person = person;
    this.meeting = settings.meeting;
    this.organiser = settings.participants.find((each) => each.organises).uid;
    const app = initializeApp({ projectId: settings.project, apiKey: "emulator" }, person.uid);
    this.auth = getAuth(app);
    connectAuthEmulator(this.auth, settings.auth, { disableWarnings: true });
    this.database = getFirestore(app);
    // A browser opens at most six connections to a host, and each participant keeps two: one listens, one writes. So
    // each participant uses a host name of its own; browsers resolve every name under `localhost` to this machine.
    connectFirestoreEmulator(this.database, `${person.uid}.localhost`, settings.firestore.port);
  }

  async signIn() {
    await setPersistence(this.auth, inMemoryPersistence);
    await signInWithEmailAndPassword(this.auth, this.person.email, this.person.password);
  }

  // Watches this participant's copy of the meeting, their ticket, and the connection.
  listen(onMeeting, onTicket, onProblem) {
    const copy = meetingSession(this.database, this.person.uid, this.meeting);
    onSnapshot(copy, { includeMetadataChanges: true }, (found) => onMeeting(found.data(), found.metadata), onProblem);
    onSnapshot(this.ticket, (found) => onTicket(found.data()), onProblem);
  }

  // Watches the organiser's newest poll, and this participant's vote in it.
  listenToPolls(onPoll, onVote, onProblem) {
    const polls = pollViewCollection(this.database, this.organiser);
    let shown;
    let stop = () => {};
    const show = (poll) => {
      if (poll.id !== shown) {
        stop();
        shown = poll.id;
        stop = onSnapshot(this.voteIn(poll.id), (found) => onVote(found.data()), onProblem);
      }
      onPoll(poll.id, poll.data());
    };
    onSnapshot(query(polls, orderBy("closesAt", "desc"), limit(1)), (found) => found.docs.forEach(show), onProblem);
  }

  voteIn(poll) {
    return doc(this.database, "polls", poll, "votes", this.person.uid);
  }

  // The rules allow this only for the participant's own vote, and only while the poll is open.
  async vote(poll, answer) {
    await setDoc(this.voteIn(poll), { answer });
  }

  get ticket() {
    return doc(this.database, "tickets", this.person.ticket);
  }

  // The rules allow this only for the participant's own ticket, and only for its attendance.
  async attend(attendance) {
    await updateDoc(this.ticket, { attendance });
  }

  // Writes through the setters of the view, with this participant's token.
  async setInSession(inSession) {
    const answer = await fetch(`/api/meeting_sessions/${this.meeting}`, {
      method: "PATCH",
      headers: {
        "Content-Type": "application/json",
        Authorization: `Bearer ${await this.auth.currentUser.getIdToken()}`,
      },
      body: JSON.stringify({ inSession }),
    });
    if (!answer.ok) {
      throw new Error((await answer.json()).message);
    }
  }

  foundCity(fields) {
    return send(doc(cityFormCollection(this.database, this.person.uid)), fields);
  }

  ask({ question, seconds }) {
    return send(doc(pollFormCollection(this.database, this.person.uid)), { question, seconds: Math.trunc(seconds) || 0 });
  }
}

// The form is a document of its participant; the function writes the outcome into it.
async function send(form, fields) {
  const outcome = new Promise((resolve, reject) => {
    const stop = onSnapshot(
      form,
      (found) => {
        const stamped = found.data()?.outcome;
        if (stamped) {
          stop();
          resolve(stamped);
        }
      },
      reject,
    );
  });
  await setDoc(form, fields);
  return outcome;
}
