# The edge: the same bytes that workerd serves elsewhere (edge-workers/wrangler.jsonc says the same to wrangler;
# use one or the other).
locals {
  origins = {
    SLUICE_CONTROL_PLANE_URL  = "https://${var.control_plane_host}"
    SLUICE_GATEWAY_URL        = "https://${var.gateway_host}"
    SLUICE_GATEWAY_CANARY_URL = var.canary_url
    SLUICE_EDGE_INSTANCE      = "edge"
    SLUICE_DEMO               = "0"
  }
}

resource "cloudflare_workers_script" "edge" {
  account_id  = var.account_id
  script_name = "sluice-edge"
  main_module = "worker.js"

  content_file   = var.bundle
  content_sha256 = filesha256(var.bundle)

  # The date of edge-workers/wrangler.jsonc and workerd.capnp; tests/deploy holds the three together.
  compatibility_date = "2026-10-20"

  # The worker answers everything itself: content types, cache headers and languages are its own.
  assets = {
    directory = var.published
    config = {
      run_worker_first   = true
      html_handling      = "none"
      not_found_handling = "none"
    }
  }

  bindings = concat(
    [for name, value in local.origins : { name = name, type = "plain_text", text = value }],
    [for name in sort(keys(nonsensitive(toset(keys(var.secrets))))) : { name = name, type = "secret_text", text = var.secrets[name] }],
    [
      { name = "SLUICE_PUBLISHED", type = "assets" },
      # What an isolate counts is its own; this counts a whole location.
      { name = "SLUICE_ENTRY_LIMITER", type = "ratelimit", namespace_id = "1001", simple = { limit = 60, period = 10 } },
    ],
  )

  observability = { enabled = true }
}

resource "cloudflare_workers_custom_domain" "edge" {
  account_id = var.account_id
  zone_id    = var.zone_id
  hostname   = var.domain
  service    = cloudflare_workers_script.edge.script_name
}
