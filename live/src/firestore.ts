// Written by `boiler types --firestore` from what the app declares.
import { collection, doc } from "firebase/firestore";
import type {
  Bytes,
  CollectionReference,
  DocumentData,
  DocumentReference,
  Firestore,
  FirestoreDataConverter,
  GeoPoint,
  Timestamp,
} from "firebase/firestore";

export type { Bytes, DocumentReference, GeoPoint, Timestamp };

/** What a function stamps on a document that a client created. */
export type Outcome = {
  readonly status: string;
  readonly time: Timestamp;
  readonly reason?: string;
  readonly errors?: { readonly [field: string]: readonly string[] };
};

function converter<T extends DocumentData>(): FirestoreDataConverter<T, T> {
  return { toFirestore: (value: unknown) => value as T, fromFirestore: (found, options) => found.data(options) as T };
}

/** MeetingSession, a view, at `users/{users.doc_id}/meetingSessions/{meeting.doc_id}`. Only functions write it. */
export type MeetingSession = {
  readonly inSession: boolean;
  readonly latitude: number | null;
  readonly longitude: number | null;
  readonly address: string | null;
  readonly attending: ReadonlyArray<{
    readonly name: string;
    readonly organization: string | null;
    readonly hearing_aid_requested: boolean;
  }>;
  readonly numHearingAidRequested: number;
};

export const meetingSession = (db: Firestore, usersDocId: string, meetingDocId: string): DocumentReference<MeetingSession, MeetingSession> =>
  doc(db, "users", usersDocId, "meetingSessions", meetingDocId).withConverter(converter<MeetingSession>());

export const meetingSessionCollection = (db: Firestore, usersDocId: string): CollectionReference<MeetingSession, MeetingSession> =>
  collection(db, "users", usersDocId, "meetingSessions").withConverter(converter<MeetingSession>());

/** PollView, a view, at `owners/{poll.owner}/polls/{poll.doc_id}`. Only functions write it. */
export type PollView = {
  readonly doc_version: string;
  readonly question: string;
  readonly open: boolean;
  readonly closesAt: Timestamp | null;
  readonly votes: { readonly [key: string]: number };
};

export const pollView = (db: Firestore, pollOwner: string, pollDocId: string): DocumentReference<PollView, PollView> =>
  doc(db, "owners", pollOwner, "polls", pollDocId).withConverter(converter<PollView>());

export const pollViewCollection = (db: Firestore, pollOwner: string): CollectionReference<PollView, PollView> =>
  collection(db, "owners", pollOwner, "polls").withConverter(converter<PollView>());

/** CityForm, a form, at `users/{user_id}/cityForms/{city_id}`. Clients create it. */
export type CityForm = {
  name: string;
  country: string;
  readonly outcome?: Outcome;
};

export const cityForm = (db: Firestore, userId: string, cityId: string): DocumentReference<CityForm, CityForm> =>
  doc(db, "users", userId, "cityForms", cityId).withConverter(converter<CityForm>());

export const cityFormCollection = (db: Firestore, userId: string): CollectionReference<CityForm, CityForm> =>
  collection(db, "users", userId, "cityForms").withConverter(converter<CityForm>());

/** PollForm, a form, at `users/{user_id}/pollForms/{poll_id}`. Clients create it. */
export type PollForm = {
  question: string;
  seconds: number;
  readonly outcome?: Outcome;
};

export const pollForm = (db: Firestore, userId: string, pollId: string): DocumentReference<PollForm, PollForm> =>
  doc(db, "users", userId, "pollForms", pollId).withConverter(converter<PollForm>());

export const pollFormCollection = (db: Firestore, userId: string): CollectionReference<PollForm, PollForm> =>
  collection(db, "users", userId, "pollForms").withConverter(converter<PollForm>());
