// node live/browser/socket.mjs URL TOKEN: follows the meeting with the Socket.IO client of npm, changes it, and tells.

import { io } from "socket.io-client";

const [url, token] = process.argv.slice(2);
const socket = io(`${url}/meeting`, { transports: ["websocket"], auth: { token }, reconnection: false });
const tell = (event, data) => console.log(JSON.stringify([event, data]));

socket.on("connect", async () => {
  socket.on("view", ({ view }) => tell("view", view.inSession));
  tell("subscribe", (await socket.emitWithAck("subscribe", { id: "standup" })).code);
  const answer = await socket.emitWithAck("mutate", { id: "standup", values: { inSession: false } });
  tell("mutate", [answer.code, answer.view?.inSession]);
});
socket.on("connect_error", (error) => tell("connect_error", error.message));
socket.on("ended", (data) => tell("ended", data.reason));
socket.on("disconnect", (reason) => tell("disconnect", reason));
