/**
 * The outcomes that the edge can answer with: its rows of the table in DESIGN §2, in the gateway's
 * words (`openresty/gateway/outcome.lua`). The gateway's own answers pass through untouched.
 */

export const OUTCOMES = {
  bad_request: { status: 400, title: "The request was refused" },
  bad_token: { status: 401, title: "The token was refused" },
  challenge: { status: 403, title: "A check is needed first" },
  not_found: { status: 404, title: "Not found" },
  ended: { status: 410, title: "The sale has ended" },
  not_started: { status: 425, title: "The sale has not started" },
  rate_limited: { status: 429, title: "Too many requests" },
  busy: { status: 503, title: "Busy, please try again" },
} as const;

export type Outcome = keyof typeof OUTCOMES;
