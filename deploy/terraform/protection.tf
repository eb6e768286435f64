# What never reaches us: floods, known attacks, and more requests of an address than a shopper makes.

# Volumetric attacks. `high` refuses sooner; the default only challenges, and a purchase cannot answer a challenge.
resource "cloudflare_ruleset" "ddos" {
  zone_id     = var.zone_id
  name        = "sluice: floods"
  kind        = "zone"
  phase       = "ddos_l7"
  description = "HTTP floods are blocked, not challenged."
  rules = [{
    action     = "execute"
    expression = "true"
    action_parameters = {
      id        = "4d21379b4f9f4bb088e0729962c8b3cf" # Cloudflare's HTTP DDoS managed ruleset
      overrides = { action = "block", sensitivity_level = "default" }
    }
  }]
}

# Known attacks, on pages only: the buy path takes one exact shape and nothing else (openresty/README.md), and a
# managed rule that dislikes a token would refuse a shopper at the worst moment.
resource "cloudflare_ruleset" "managed" {
  zone_id = var.zone_id
  name    = "sluice: known attacks"
  kind    = "zone"
  phase   = "http_request_firewall_managed"
  rules = [
    {
      action            = "skip"
      description       = "The sale's own addresses: checked by edge and gateway, shape by shape."
      expression        = "http.host eq \"${var.domain}\" and starts_with(http.request.uri.path, \"/v1/\")"
      action_parameters = { ruleset = "current" }
    },
    {
      action            = "execute"
      description       = "Cloudflare's managed rules"
      expression        = "true"
      action_parameters = { id = "efb7b8c949ac4650a09736fc376e9aee" }
    },
  ]
}

resource "cloudflare_ruleset" "limits" {
  zone_id = var.zone_id
  name    = "sluice: rates"
  kind    = "zone"
  phase   = "http_ratelimit"
  rules = [
    {
      action      = "block"
      description = "The doors of a sale"
      expression  = "http.host eq \"${var.domain}\" and starts_with(http.request.uri.path, \"/v1/items/\") and (ends_with(http.request.uri.path, \"/entry\") or ends_with(http.request.uri.path, \"/check\") or ends_with(http.request.uri.path, \"/lobby\"))"
      ratelimit = {
        characteristics     = ["ip.src", "cf.colo.id"]
        period              = 10
        requests_per_period = var.entry_requests_per_10_s
        mitigation_timeout  = 10
      }
    },
    {
      action      = "block"
      description = "Purchases"
      expression  = "http.host eq \"${var.domain}\" and ends_with(http.request.uri.path, \"/buy\")"
      ratelimit = {
        characteristics     = ["ip.src", "cf.colo.id"]
        period              = 10
        requests_per_period = var.buy_requests_per_10_s
        mitigation_timeout  = 10
      }
    },
  ]
}

# The two origins are for the worker alone. A worker's request to a name of its own zone carries its zone here.
resource "cloudflare_ruleset" "origins" {
  zone_id = var.zone_id
  name    = "sluice: origins"
  kind    = "zone"
  phase   = "http_request_firewall_custom"
  rules = [
    {
      action      = "block"
      description = "Gateways and control plane are asked by the worker, and by nobody from outside"
      expression  = "http.host in {\"${var.gateway_host}\" \"${var.control_plane_host}\"} and cf.worker.upstream_zone eq \"\""
    },
    {
      action      = "block"
      description = "Of the control plane the worker needs the snapshot's channel and nothing else"
      expression  = "http.host eq \"${var.control_plane_host}\" and not starts_with(http.request.uri.path, \"/internal/\")"
    },
  ]
}
