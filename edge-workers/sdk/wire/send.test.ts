/** The four requests, on a real HTTP server. */

import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CheckUnavailable } from "../check/solve.ts";
import { PreparedCheck, type Solve } from "../human_check.ts";
import { type Machine, new_machine } from "../machine/machine.ts";
import { type SessionSource, Visit } from "../visit.ts";
import { ask } from "./ask.ts";
import { send, type Wire } from "./send.ts";
import { Traces } from "./trace.ts";

let server: Server;
let edge: string;
let answer: { status: number; body: string } | "hang up" | "silence";
let heard: { method: string; path: string; headers: IncomingHttpHeaders; body: string }[];

beforeEach(async () => {
  heard = [];
  answer = { status: 200, body: '{"outcome":"reserved"}' };
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method = "", url: path = "", headers } = request;
    heard.push({ method, path, headers, body });
    if (answer === "hang up") request.socket.destroy();
    else if (answer !== "silence") response.writeHead(answer.status).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  edge = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const never = new AbortController().signal;
function wire(session: SessionSource = "s.e.s", solve: Solve = async () => null): Wire {
  const visit = new Visit(() => session);
  const check = new PreparedCheck(solve);
  return { edge, item: 7, visit, device: async () => "device-1", check, traces: new Traces() };
}
/** Has not been let in yet. */
const outside = (more: Partial<Machine> = {}) => machine({ entry_token: null, ...more });
const machine = (more: Partial<Machine> = {}): Machine => ({
  ...new_machine("key-1"),
  entry_token: "e.n.t",
  buy_url: "/v1/items/7/k/buy",
  status_url: "/v1/reservations/7-0-r",
  ...more,
});

describe("a purchase", () => {
  test("is sent with its token and its key", async () => {
    const bought = await send(wire(), "buy", machine(), never);
    expect(bought).toMatchObject({ ok: true, code: "reserved" });
    expect(heard[0]).toMatchObject({
      method: "POST",
      path: "/v1/items/7/k/buy",
      body: '{"qty":1}',
    });
    expect(heard[0]?.headers).toMatchObject({
      authorization: "Bearer e.n.t",
      "content-type": "application/json",
      "idempotency-key": "key-1",
    });
    expect(heard[0]?.headers).not.toHaveProperty("purchase-retry");
  });

  test("that is repeated says so, and one from the line brings its ticket", async () => {
    await send(wire(), "buy", machine({ is_repeat: true, ticket: "t1" }), never);
    expect(heard[0]?.headers).toMatchObject({ "purchase-retry": "1" });
    expect(heard[0]?.body).toBe('{"qty":1,"ticket":"t1"}');
  });

  test.each(["https://elsewhere.example/v1/buy", "//elsewhere.example/v1/", "/other", ""])(
    "does not carry its token to %j",
    async (buy_url) => {
      await send(wire(), "buy", machine({ buy_url }), never);
      expect(heard.map(({ path }) => path)).toEqual(["/v1/"]);
    },
  );
});

test("the status is read with the entry token", async () => {
  answer = { status: 200, body: '{"state":"confirmed","order":"S1"}' };
  const status = await send(wire(), "status", machine(), never);
  expect(status).toMatchObject({ code: "confirmed", body: { order: "S1" } });
  expect(heard[0]).toMatchObject({ method: "GET", path: "/v1/reservations/7-0-r", body: "" });
});

describe.each(["entry", "lobby"] as const)("the door %s", (door) => {
  test("is knocked at with session and device", async () => {
    await send(wire(), door, outside(), never);
    expect(heard[0]).toMatchObject({ path: `/v1/items/7/${door}`, body: '{"device":"device-1"}' });
    expect(heard[0]?.headers.authorization).toBe("Bearer s.e.s");
  });

  test("gets the solved check, and the slider's is solved when the edge asks for it", async () => {
    const asked: unknown[] = [];
    const solve: Solve = async (_session, slider) => {
      asked.push(slider);
      return () => ({ solution: asked.length });
    };
    await send(wire("s", solve), door, outside({ slider: { width: 300 } }), never);
    expect(asked).toEqual([{ width: 300 }]);
    expect(JSON.parse(heard[0]?.body ?? "")).toEqual({
      device: "device-1",
      check: { solution: 1 },
    });
  });

  test("says that a gateway wants the puzzle, until it is shown", async () => {
    const solve: Solve = async () => () => ({ solution: 1 });
    await send(wire("s", solve), door, outside({ puzzle: true }), never);
    await send(wire("s", solve), door, outside({ puzzle: true, slider: { width: 300 } }), never);
    expect(heard.map(({ body }) => JSON.parse(body).check)).toEqual([
      { solution: 1, puzzle: 1 },
      { solution: 1 },
    ]);
  });

  test("that an edge asks nothing does not help him whom a gateway wants the puzzle of", async () => {
    const knocked = await send(wire(), door, outside({ puzzle: true }), never);
    expect(knocked.code).toBe("busy");
    expect(heard).toEqual([]);
  });

  test("a check that was not answered was not answered wrongly", async () => {
    answer = { status: 403, body: '{"code":"challenge","detail":"the check is missing"}' };
    expect((await send(wire(), door, outside(), never)).code).toBe("busy");
    const solve: Solve = async () => () => ({ solution: 1 });
    expect((await send(wire("s", solve), door, outside(), never)).code).toBe("challenge");
  });

  test("a check that cannot be solved is not sent, and not a no", async () => {
    const solve: Solve = () => Promise.reject(new Error("offline"));
    const knocked = await send(wire("s", solve), door, outside(), never);
    expect(knocked.code).toBe("no_answer");
    expect(heard).toEqual([]);
  });

  test("a question that the edge refuses is that refusal, and its wait is kept", async () => {
    const solve: Solve = () => Promise.reject(new CheckUnavailable("rate_limited", 340));
    const knocked = await send(wire("s", solve), door, outside(), never);
    expect(knocked).toMatchObject({ ok: false, code: "rate_limited", retry_after_ms: 340 });
    expect(heard).toEqual([]);
  });

  test("a question that could not be sent is no connection", async () => {
    const solve: Solve = () => Promise.reject(new CheckUnavailable("offline", 1000));
    expect((await send(wire("s", solve), door, outside(), never)).code).toBe("offline");
  });

  test("a session that the check's question refuses is fetched anew", async () => {
    let fetched = 0;
    const solve: Solve = async (session) => {
      if (session === "session-1") throw new CheckUnavailable("bad_token", 1000);
      return null;
    };
    const at = wire(async () => `session-${++fetched}`, solve);
    expect((await send(at, door, outside(), never)).code).toBe("bad_token");
    expect((await send(at, door, outside(), never)).ok).toBe(true);
    expect(heard.map(({ headers }) => headers.authorization)).toEqual(["Bearer session-2"]);
  });

  test("without a session nothing is sent", async () => {
    expect((await send(wire(null), door, outside(), never)).code).toBe("no_session");
    expect((await send(wire(""), door, outside(), never)).code).toBe("no_session");
    expect(heard).toEqual([]);
  });

  test("a refused session is fetched anew", async () => {
    answer = { status: 401, body: '{"code":"bad_token"}' };
    let fetched = 0;
    const at = wire(async () => `session-${++fetched}`);
    await send(at, door, outside(), never);
    await send(at, door, outside(), never);
    expect(heard.map(({ headers }) => headers.authorization)).toEqual([
      "Bearer session-1",
      "Bearer session-2",
    ]);
  });

  test("who signs in after he was asked to is let in", async () => {
    const sessions = [null, "s"];
    const at = wire(async () => sessions.shift() ?? null);
    expect((await send(at, door, outside(), never)).code).toBe("no_session");
    expect((await send(at, door, outside(), never)).ok).toBe(true);
  });

  test("a shop that does not answer is asked again, whatever its error is called", async () => {
    let fetched = 0;
    const at = wire(async () => {
      fetched += 1;
      if (fetched === 1) throw Object.assign(new Error("busy"), { code: "denied" });
      return "s";
    });
    expect((await send(at, door, outside(), never)).code).toBe("no_answer");
    expect((await send(at, door, outside(), never)).ok).toBe(true);
  });
});

describe("who was let in before", () => {
  const solve: Solve = async () => () => ({ solution: 1 });
  const check_sent = () => JSON.parse(heard.at(-1)?.body ?? "").check;

  test("shows that token in place of a new check", async () => {
    await send(wire("s", solve), "entry", machine(), never);
    expect(check_sent()).toEqual({ provider: "renewal", token: "e.n.t" });
  });

  test("solves the puzzle when he is asked for one, and passes the check at the lobby", async () => {
    await send(wire("s", solve), "entry", machine({ slider: { width: 300 } }), never);
    expect(check_sent()).toEqual({ solution: 1 });
    await send(wire("s", solve), "lobby", machine(), never);
    expect(check_sent()).toEqual({ solution: 1 });
  });
});

test("a check that was solved ahead is used once", async () => {
  let solved = 0;
  const check = new PreparedCheck(async () => {
    const solution = ++solved;
    return () => ({ solution });
  });
  check.prepare("s", never);
  check.prepare("s", never);
  expect(await check.take("s", null, never)).toEqual({ solution: 1 });
  expect(await check.take("s", null, never)).toEqual({ solution: 2 });
  check.prepare("s", never);
  expect(await check.take("another session", null, never)).toEqual({ solution: 4 });
});

test("a check that was solved long ago is solved anew: its answer has expired", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  let solved = 0;
  const check = new PreparedCheck(async () => {
    const solution = ++solved;
    return () => ({ solution });
  });
  check.prepare("s", never);
  vi.advanceTimersByTime(239_999);
  expect(await check.take("s", null, never)).toEqual({ solution: 1 });
  check.prepare("s", never);
  vi.advanceTimersByTime(240_000);
  expect(await check.take("s", null, never)).toEqual({ solution: 3 });
  vi.useRealTimers();
});

test("what was seen goes along until the press, not until the work was done", async () => {
  let seen = "nothing";
  const check = new PreparedCheck(async () => () => ({ trace: seen }));
  check.prepare("s", never);
  await new Promise((resolve) => setImmediate(resolve));
  seen = "he moved and pressed";
  expect(await check.take("s", null, never)).toEqual({ trace: "he moved and pressed" });
});

describe("an answer", () => {
  test.each([
    [503, '{"code":"busy","retry_after_ms":321}', { ok: false, code: "busy", retry_after_ms: 321 }],
    [502, "<html>", { ok: false, code: "unnamed", retry_after_ms: null }],
    [200, "[1]", { ok: true, code: "unnamed" }],
    [200, "null", { ok: true, code: "unnamed" }],
    [410, '{"code":7}', { ok: false, code: "unnamed" }],
    [429, '{"code":"rate_limited","retry_after_ms":-5}', { retry_after_ms: null }],
    [429, '{"code":"rate_limited","retry_after_ms":"soon"}', { retry_after_ms: null }],
  ])("%i %s", async (status, body, read) => {
    answer = { status, body };
    expect(await ask(`${edge}/v1/time`)).toMatchObject(read);
  });

  test("that never comes is unknown", async () => {
    answer = "silence";
    expect((await ask(`${edge}/v1/time`, { timeout_ms: 30 })).code).toBe("no_answer");
  });

  test("that is cut off is no connection", async () => {
    answer = "hang up";
    expect((await ask(`${edge}/v1/time`)).code).toBe("offline");
  });

  test("that nobody waits for any more is given up", async () => {
    answer = "silence";
    const leaving = new AbortController();
    const asking = ask(`${edge}/v1/time`, { signal: leaving.signal });
    leaving.abort();
    expect((await asking).code).toBe("no_answer");
  });
});
