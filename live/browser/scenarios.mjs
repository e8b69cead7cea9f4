// What participants do in their browsers. Each scenario throws when the page does not do its part.

import assert from "node:assert/strict";
import { names, open as openPage, pane, until } from "./browser.mjs";

const PEOPLE = ["ada", "grace", "alan"];
const GRACE = "Grace Hopper";

const attends = async (page, who) => (await pane(page, who).locator(".switch").getAttribute("aria-checked")) === "true";

const said = (page, who) => pane(page, who).locator(".status").textContent();

async function shotOf(page, folder, name) {
  if (folder) {
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  }
}

async function fitsASmallScreen(page, folder, name) {
  await page.setViewportSize({ width: 360, height: 740 });
  const { content, seen } = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    seen: document.documentElement.clientWidth,
  }));
  assert.ok(content <= seen, `the page is ${content} wide on a screen of ${seen}`);
  await shotOf(page, folder, name);
}

// Three contexts, as three people have: nothing is shared but the server.
async function threePeople(browser, url) {
  const opened = PEOPLE.map(async (who) => [who, await openPage(await browser.newContext(), url, who)]);
  return Object.fromEntries(await Promise.all(opened));
}

export async function follows(browser, url, folder) {
  const pages = await threePeople(browser, url);
  const before = await attends(pages.grace, "grace");
  for (const expected of [!before, before]) {
    await pane(pages.grace, "grace").locator(".switch").click();
    for (const who of PEOPLE) {
      await until(async () => (await names(pages[who], who)).includes(GRACE) === expected, `${who} sees ${GRACE}: ${expected}`);
    }
    assert.equal(await attends(pages.grace, "grace"), expected);
  }
  await shotOf(pages.alan, folder, "one-participant");
  for (const page of Object.values(pages)) {
    assert.deepEqual(page.problems, []);
  }
}

export async function sideBySide(browser, url, folder) {
  const page = await openPage(await browser.newContext({ viewport: { width: 1180, height: 900 } }), url);
  // By keyboard alone: the switches and the organiser's button come in the order in which they are seen.
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Ada Lovelace attends");
  await page.keyboard.press("Space");
  const row = page.locator("#updates tbody tr").first();
  await until(async () => /^\d+ ms$/.test(await row.locator("td").nth(1).textContent()), "the time to all panes is shown");
  const settings = await (await fetch(`${url}/settings.json`)).json();
  if (settings.costs) {
    await until(async () => Number(await row.locator("td").nth(3).textContent()) > 0, "the writes are counted");
    assert.ok(Number(await row.locator("td").nth(2).textContent()) > 0);
  }
  await page.keyboard.press("Space");
  await until(async () => (await page.locator("#updates tbody tr[data-milliseconds]").count()) === 2, "the second update");
  await shotOf(page, folder, "side-by-side");
  await fitsASmallScreen(page, folder, "narrow");
  const unnamed = await page.evaluate(
    () => [...document.querySelectorAll("button, input")].filter((each) => !each.ariaLabel && !each.textContent.trim() && !each.labels?.length).length,
  );
  assert.equal(unnamed, 0);
  assert.deepEqual(page.problems, []);
}

export async function organises(browser, url, folder) {
  const pages = await threePeople(browser, url);
  const [open, closed] = ["The meeting is in session", "The meeting is closed"];
  for (const expected of (await said(pages.ada, "ada")) === open ? [closed, open] : [open, closed]) {
    await pane(pages.ada, "ada").locator(".organise").click();
    for (const who of PEOPLE) {
      await until(async () => (await said(pages[who], who)) === expected, `${who} reads: ${expected}`);
    }
  }
  assert.ok(await pane(pages.grace, "grace").locator(".organise").isHidden());
  await foundsACity(pages.ada, folder);
}

async function foundsACity(page, folder) {
  const send = async (name, country) => {
    await page.fill("#city-name", name);
    await page.fill("#city-country", country);
    await page.click("#city button");
  };
  const outcome = page.locator("#city-outcome");
  await send("X", "Narnia");
  await until(async () => (await outcome.textContent()).startsWith("Correct"), "the form is rejected");
  assert.equal(await page.locator("#city-name-error").textContent(), "A name has 2 to 60 letters.");
  assert.match(await page.locator("#city-country-error").textContent(), /^One of Denmark/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "city-name");
  await shotOf(page, folder, "form-rejected");
  await send("Tokyo", "Japan");
  await until(async () => (await outcome.textContent()) === "Done: Tokyo is founded.", "the form is done");
  assert.equal(await page.locator("#city-name-error").textContent(), "");
}

// What the rules refuse, tried with the SDK of the page and the token of its participant.
export async function refused(browser, url) {
  const page = await openPage(await browser.newContext(), url, "ada");
  const codes = await page.evaluate(async () => {
    const [{ database }] = window.room.participants;
    const { addDoc, collection, deleteDoc, doc, getDoc, getDocs, setDoc, updateDoc } = window.room.firestore;
    const at = (path) => doc(database, path);
    const all = (path) => getDocs(collection(database, path));
    const form = { name: "Tokyo", country: "Japan" };
    const attempts = {
      "another's ticket": () => updateDoc(at("tickets/ticket-grace"), { attendance: true }),
      "another's ticket, read": () => getDoc(at("tickets/ticket-grace")),
      "all tickets": () => all("tickets"),
      "a ticket of one's own making": () => setDoc(at("tickets/mine"), { attendance: true }),
      "another field of one's ticket": () => updateDoc(at("tickets/ticket-ada"), { role: "organiser" }),
      "an attendance that is none": () => updateDoc(at("tickets/ticket-ada"), { attendance: "yes" }),
      "one's ticket, deleted": () => deleteDoc(at("tickets/ticket-ada")),
      "a foreign copy": () => getDoc(at("users/grace/meetingSessions/standup")),
      "one's own copy, written": () => updateDoc(at("users/ada/meetingSessions/standup"), { inSession: false }),
      "the meeting": () => updateDoc(at("meetings/standup"), { status: "closed" }),
      "the ledgers": () => all("boilerLedgers"),
      "a marker": () => setDoc(at("boilerMarkers/x"), {}),
      "the dead letters": () => all("boilerDeadLetters"),
      "a form in another's name": () => setDoc(at("users/grace/cityForms/x"), form),
      "a form with an outcome": () => addDoc(collection(database, "users/ada/cityForms"), { ...form, outcome: { status: "done" } }),
      "a form with more than it has": () => addDoc(collection(database, "users/ada/cityForms"), { ...form, capital: true }),
      "a form with less than it needs": () => addDoc(collection(database, "users/ada/cityForms"), { name: "Tokyo" }),
      "a form of another type": () => addDoc(collection(database, "users/ada/cityForms"), { ...form, name: 7 }),
      "a poll": () => setDoc(at("polls/mine"), { question: "Soup?", owner: "ada", open: true }),
      "all polls": () => all("polls"),
      "a vote in a poll that does not exist": () => setDoc(at("polls/none/votes/ada"), { answer: "Yes" }),
      "another's vote, read": () => getDoc(at("polls/none/votes/grace")),
      "all votes": () => all("polls/none/votes"),
      "a poll in another's name": () => setDoc(at("users/grace/pollForms/x"), { question: "Soup?", seconds: 60 }),
      "the view of a poll": () => setDoc(at("owners/ada/polls/mine"), { question: "Soup?" }),
      "a city": () => setDoc(at("City/TOK"), { cityName: "Tokyo" }),
    };
    const told = {};
    for (const [name, attempt] of Object.entries(attempts)) {
      told[name] = await attempt().then(
        () => "allowed",
        (error) => error.code,
      );
    }
    return told;
  });
  const allowed = Object.entries(codes).filter(([, code]) => code !== "permission-denied");
  assert.deepEqual(allowed, []);
  assert.ok(Object.keys(codes).length >= 26);
}

const poll = (page, who) => pane(page, who).locator(".poll");

const counts = async (page, who) => (await poll(page, who).locator(".votes").allTextContents()).join();

const isClosed = async (page, who) => (await poll(page, who).locator(".poll-state").textContent()).startsWith("Closed at");

// A vote in the newest poll, as the rules see it.
const voteOf = (page, who, answer) =>
  page.evaluate(
    async ([who, answer]) => {
      const [participant] = window.room.participants;
      const { collection, doc, getDocs, limit, orderBy, query, setDoc } = window.room.firestore;
      const polls = collection(participant.database, "owners/ada/polls");
      const { docs } = await getDocs(query(polls, orderBy("closesAt", "desc"), limit(1)));
      return setDoc(doc(participant.database, "polls", docs[0].id, "votes", who), { answer }).then(
        () => "allowed",
        (error) => error.code,
      );
    },
    [who, answer],
  );

// Asks and votes; returns whether all votes were counted before the poll closed.
async function voted(pages, seconds, folder) {
  const question = `Soup within ${seconds} seconds?`;
  await pages.ada.fill("#poll-question", question);
  await pages.ada.fill("#poll-seconds", String(seconds));
  await pages.ada.click("#poll button");
  for (const [who, page] of Object.entries(pages)) {
    await until(async () => (await poll(page, who).locator(".question").textContent()) === question, `${who} is asked`);
  }
  const acts = [
    ["ada", "Yes", "1,0"],
    ["grace", "No", "1,1"],
    ["grace", "Yes", "2,0"],
  ];
  for (const [voter, answer, expected] of acts) {
    // Not Playwright's click, which would wait for a button that the end of the poll has disabled.
    await poll(pages[voter], voter).locator(`button[value=${answer}]`).evaluate((button) => button.click());
    for (const [who, page] of Object.entries(pages)) {
      await until(async () => (await counts(page, who)) === expected || isClosed(page, who), `${who} sees ${expected}`);
    }
  }
  assert.equal(await voteOf(pages.grace, "grace", "Maybe"), "permission-denied");
  assert.equal(await voteOf(pages.grace, "ada", "No"), "permission-denied");
  await shotOf(pages.ada, folder, "poll-open");
  return (await counts(pages.ada, "ada")) === "2,0";
}

export async function polls(browser, url, folder) {
  const pages = {};
  for (const who of ["ada", "grace"]) {
    pages[who] = await openPage(await browser.newContext(), url, who);
  }
  assert.ok(await pages.grace.locator("#poll").isHidden());
  await pages.ada.fill("#poll-question", "?");
  await pages.ada.fill("#poll-seconds", "soon");
  await pages.ada.click("#poll button");
  const secondsError = pages.ada.locator("#poll-seconds-error");
  await until(async () => (await secondsError.textContent()) === "From 1 to 3600 seconds.", "the form is rejected");
  // On a busy machine the votes may take longer than the poll is open.
  let seconds = 4;
  while (!(await voted(pages, seconds, folder))) {
    assert.ok(seconds < 120, "no poll was open long enough for three votes");
    seconds *= 2;
  }
  for (const [who, page] of Object.entries(pages)) {
    await until(() => isClosed(page, who), `${who} sees the poll closed`, seconds + 90);
    assert.equal(await counts(page, who), "2,0");
    assert.equal(await poll(page, who).locator("button:disabled").count(), 2);
    assert.deepEqual(page.problems, []);
  }
  assert.equal(await poll(pages.grace, "grace").locator("[aria-pressed=true]").textContent(), "Yes");
  assert.equal(await voteOf(pages.grace, "grace", "No"), "permission-denied");
  await fitsASmallScreen(pages.ada, folder, "poll-closed");
}

export async function offline(browser, url, folder) {
  const pages = await threePeople(browser, url);
  const context = pages.alan.context();
  const before = await names(pages.alan, "alan");
  const attending = await attends(pages.grace, "grace");
  await context.setOffline(true);
  await until(async () => (await pages.alan.locator("#connection").textContent()).startsWith("You are offline"), "alan is told");
  await pane(pages.grace, "grace").locator(".switch").click();
  await until(async () => (await names(pages.ada, "ada")).includes(GRACE) !== attending, "ada sees the change");
  assert.deepEqual(await names(pages.alan, "alan"), before);
  await shotOf(pages.alan, folder, "offline");
  await pane(pages.alan, "alan").locator(".switch").click();
  const alan = !before.includes("Alan Turing");
  await context.setOffline(false);
  await until(async () => (await names(pages.alan, "alan")).includes(GRACE) !== attending, "alan's list follows when he is back");
  for (const who of PEOPLE) {
    await until(async () => (await names(pages[who], who)).includes("Alan Turing") === alan, `${who} sees what alan did offline`);
  }
  await until(async () => (await pages.alan.locator("#connection").textContent()).startsWith("Connected"), "alan is told that he is back");
  await pane(pages.alan, "alan").locator(".switch").click();
  await pane(pages.grace, "grace").locator(".switch").click();
}

// The milliseconds from the click to all three panes, so many times.
export async function timed(browser, url, folder, times) {
  const page = await openPage(await browser.newContext({ viewport: { width: 1180, height: 900 } }), url);
  const row = page.locator("#updates tbody tr").first();
  const taken = [];
  for (let number = 0; number < Number(times); number += 1) {
    await pane(page, PEOPLE[number % 3]).locator(".switch").click();
    await until(async () => (await page.locator("#updates tbody tr").count()) === number + 1 && (await row.getAttribute("data-milliseconds")) !== null, "all panes show the click");
    taken.push(Number(await row.getAttribute("data-milliseconds")));
  }
  return taken;
}
