/** What a gateway has challenged is answered here: the puzzle, whatever the score, and a claim for it. */

import { beforeEach, describe, expect, test } from "vitest";
import { type Asked, answer_to, person, place_of, work } from "../../fixtures/check.ts";
import { control_plane_with, Edge, TURNSTILE } from "../../fixtures/edge.ts";
import { document, item, NOW_MS, session } from "../../fixtures/sale.ts";
import { PUZZLE_COUNTS_S } from "../tokens/entry.ts";
import type { CheckAnswer } from "./answer.ts";

const NOW_S = NOW_MS / 1000;
let edge: Edge;

beforeEach(() => {
  edge = new Edge();
  edge.control_plane = control_plane_with(
    document({
      switches: { sale_enabled: true },
      items: { "7": item(), "8": item({ id: 8, start_ms: NOW_MS + 1000 }) },
    }),
  );
});

const headers = (token: string) => ({ authorization: `Bearer ${token}` });
const knock = (check: CheckAnswer, token = session(), door = "7/entry", device = "device-1") =>
  edge.fetch(`/v1/items/${door}`, {
    method: "POST",
    headers: headers(token),
    body: JSON.stringify({ device, check }),
  });

/** A check that a person passes; with the wish for the puzzle or without. */
async function work_of(item_id = 7, wish: object = { puzzle: 1 }): Promise<CheckAnswer> {
  const path = `/v1/items/${item_id}/check?device=device-1`;
  const asked = await edge.fetch(path, { headers: headers(session()) });
  return { ...(await answer_to((await asked.json()) as Asked, person())), ...wish } as CheckAnswer;
}

async function puzzle_of(response: Response) {
  expect(response.status).toBe(403);
  const { slider } = (await response.json()) as Asked;
  if (slider === undefined) throw new Error("there was no puzzle");
  return slider;
}

async function entered(response: Response): Promise<string> {
  expect(response.status).toBe(200);
  return ((await response.json()) as { entry_token: string }).entry_token;
}

const claims_of = (token: string) =>
  JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

async function solved(door = "7/entry"): Promise<CheckAnswer> {
  const { token } = await puzzle_of(await knock(await work_of(Number(door[0])), session(), door));
  return { provider: "slider", token, x: await place_of(token) };
}

describe("who was challenged by a gateway", () => {
  test("is asked for the puzzle though his score is good, and his token says that he passed", async () => {
    expect(claims_of(await entered(await knock(await work_of(7, {}))))).not.toHaveProperty("pz");
    const claims = claims_of(await entered(await knock(await solved())));
    expect(claims.pz).toBe(NOW_S + PUZZLE_COUNTS_S);
    expect(claims.rs).toBeLessThan(60);
  });

  test("may take the work in place of the picture", async () => {
    const { token, instead } = await puzzle_of(await knock(await work_of()));
    const check: CheckAnswer = { provider: "slider", token, payload: await work(instead) };
    expect(claims_of(await entered(await knock(check)))).toHaveProperty("pz");
  });

  test("joins a lobby by it, too", async () => {
    const check = await solved("8/lobby");
    expect((await knock(check, session(), "8/lobby")).status).toBe(200);
    const sent = edge.seen.find(({ url }) => url.endsWith("/lobby"));
    const token = sent?.headers.get("authorization")?.split(" ")[1] ?? "";
    expect(claims_of(token)).toMatchObject({ aud: "sluice-lobby", pz: NOW_S + PUZZLE_COUNTS_S });
  });
});

describe("the claim cannot be had", () => {
  test("twice for one puzzle, nor by another shopper, for another item or on another device", async () => {
    const check = await solved();
    expect((await knock(check, session({ sub: "bob" }))).status).toBe(403);
    expect((await knock(check, session(), "8/lobby")).status).toBe(403);
    expect((await knock(check, session(), "7/entry", "device-2")).status).toBe(403);
    await entered(await knock(check));
    expect((await knock(check)).status).toBe(403);
  });

  test("by a wrong place, and asking for the puzzle costs work each time", async () => {
    const check = await work_of();
    const { token } = await puzzle_of(await knock(check));
    const right = await place_of(token);
    const wrong = right > 100 ? 0 : 200;
    await puzzle_of(await knock({ provider: "slider", token, x: wrong }));
    expect(await (await knock(check)).json()).not.toHaveProperty("slider");
  });

  test.each([0, 2, "1"])("by puzzle: %j", async (puzzle) => {
    const response = await knock(await work_of(7, { puzzle }));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ detail: "check.puzzle must be 1" });
  });
});

describe("renewing the token of who passed", () => {
  const renew = async (token: string) =>
    entered(await knock({ provider: "renewal", token }, session({}, edge.now_ms)));

  test("keeps the puzzle's end where it was, and ends with it", async () => {
    let token = await entered(await knock(await solved()));
    for (let minutes = 10; minutes < 30; minutes += 10) {
      edge.now_ms = NOW_MS + minutes * 60_000;
      token = await renew(token);
      expect(claims_of(token).pz).toBe(NOW_S + PUZZLE_COUNTS_S);
    }
    edge.now_ms = NOW_MS + PUZZLE_COUNTS_S * 1000 - 1;
    token = await renew(token);
    edge.now_ms += 1;
    // He is let in with his score as before; whether that is enough is the gateway's to say.
    expect(claims_of(await renew(token))).not.toHaveProperty("pz");
  });

  test("is done whatever the score: a puzzle may leave 0, as nobody has whom nothing was asked", async () => {
    const rule = { kind: "score", mode: "enforce", action: "challenge", item: null, min_score: 1 };
    edge.control_plane = control_plane_with(
      document({ version: 13, switches: { sale_enabled: true }, risk_rules: [rule] }),
    );
    edge.now_ms += 10_000;
    const token = await entered(await knock(await solved()));
    expect(claims_of(token).rs).toBe(0);
    expect(claims_of(await renew(token))).toMatchObject({ rs: 0, pz: claims_of(token).pz });
  });
});

test("Turnstile's verdict is such a puzzle", async () => {
  edge = new Edge({
    turnstile: { site_key: "site", secret: "the-secret", siteverify_url: `${TURNSTILE}/verify` },
  });
  edge.control_plane = control_plane_with(document({ switches: { sale_enabled: true } }));
  const asked = await edge.fetch("/v1/items/7/check?device=device-1", {
    headers: headers(session()),
  });
  const { action, cdata } = (await asked.json()) as Record<string, string>;
  edge.turnstile = () => Response.json({ success: true, action, cdata });
  const check: CheckAnswer = { provider: "turnstile", token: "t", trace: person(), puzzle: 1 };
  expect(claims_of(await entered(await knock(check))).pz).toBe(NOW_S + PUZZLE_COUNTS_S);
});
