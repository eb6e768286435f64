/** The four requests of a purchase, out of the machine as it stands. */

import type { CheckUnavailable } from "../check/solve.ts";
import type { PreparedCheck } from "../human_check.ts";
import { type Machine, type Request, renewal_of } from "../machine/machine.ts";
import type { Visit } from "../visit.ts";
import { type Answer, ask, NO_ANSWER, silence } from "./ask.ts";
import type { Traces } from "./trace.ts";

export interface Wire {
  edge: string;
  item: number;
  visit: Visit;
  device: () => Promise<string>;
  check: PreparedCheck;
  traces: Traces;
}

/** What a repeated purchase says: after sell-out only the stock knows whether the first one won. */
const AGAIN = { "purchase-retry": "1" };

/** Sends it; never throws. */
export async function send(
  wire: Wire,
  request: Request,
  machine: Machine,
  signal: AbortSignal,
): Promise<Answer> {
  switch (request) {
    case "buy":
      return buy(wire, machine, signal);
    case "status":
      return ask(address(wire, machine.status_url), { token: machine.entry_token, signal });
    default:
      return knock(wire, request, machine, signal);
  }
}

/** Paths come from the server, but a token goes to this edge alone. */
function address({ edge }: Wire, path: string | null): string {
  return `${edge}${path?.startsWith("/v1/") ? path : "/v1/"}`;
}

async function buy(wire: Wire, machine: Machine, signal: AbortSignal): Promise<Answer> {
  const { key, is_repeat, ticket, entry_token, buy_url } = machine;
  const trace = wire.traces.of(key);
  const answer = await ask(address(wire, buy_url), {
    token: entry_token,
    body: ticket === null ? { qty: 1 } : { qty: 1, ticket },
    headers: { "idempotency-key": key, ...trace.headers, ...(is_repeat ? AGAIN : {}) },
    signal,
  });
  trace.bought(wire.edge, wire.item, answer);
  return answer;
}

/** Entry and lobby: session, device, and the human check where one is asked for. */
async function knock(
  wire: Wire,
  door: "entry" | "lobby",
  machine: Machine,
  signal: AbortSignal,
): Promise<Answer> {
  const { edge, item, visit, device, check } = wire;
  const token = door === "entry" ? renewal_of(machine) : null;
  const knocking = async () => {
    const session = await visit.session();
    if (session === null) return silence("no_session");
    const body: Record<string, unknown> = { device: await device() };
    const solved =
      token === null
        ? await check.take(session, machine.slider, signal)
        : { provider: "renewal", token };
    const wants_puzzle = machine.puzzle && machine.slider === null;
    // A gateway wants the puzzle, and an edge with old news, or no code of the check, asks nothing:
    // its token would be challenged as the one before was.
    if (solved === null && wants_puzzle) return silence("busy");
    if (solved !== null) body.check = wants_puzzle ? { ...solved, puzzle: 1 } : solved;
    const trace = wire.traces.of(machine.key);
    const knocked = await ask(`${edge}/v1/items/${item}/${door}`, {
      token: session,
      body,
      headers: trace.headers,
      signal,
    });
    trace.entered(knocked);
    // What was not answered was not answered wrongly.
    return solved === null && knocked.code === "challenge" ? silence("busy") : knocked;
  };
  const answer = await knocking().catch(as_refusal);
  if (answer.code === "bad_token") visit.forget();
  return answer;
}

/** What kept it from being sent: a refusal of the check's question, or nobody's answer. */
function as_refusal(error: unknown): Answer {
  const { name, code, retry_after_ms } = error as CheckUnavailable;
  // By its name and not its class, which is in a bundle of its own; a shop's errors have codes too.
  if (name !== "CheckUnavailable") return silence(NO_ANSWER);
  return { ...silence(code), retry_after_ms };
}
