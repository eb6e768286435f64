# The origins: names at Cloudflare, TLS to the end, and a client certificate that only our zone shows.

resource "cloudflare_dns_record" "gateway" {
  for_each = toset(var.gateway_addresses)
  zone_id  = var.zone_id
  name     = var.gateway_host
  type     = "A"
  content  = each.value
  ttl      = 1
  proxied  = true
}

resource "cloudflare_dns_record" "control_plane" {
  for_each = toset(var.control_plane_addresses)
  zone_id  = var.zone_id
  name     = var.control_plane_host
  type     = "A"
  content  = each.value
  ttl      = 1
  proxied  = true
}

resource "cloudflare_zone_setting" "strict" {
  zone_id    = var.zone_id
  setting_id = "ssl"
  value      = "strict"
}

resource "cloudflare_zone_setting" "tls" {
  zone_id    = var.zone_id
  setting_id = "min_tls_version"
  value      = "1.2"
}

# A certificate of ours, not Cloudflare's shared one: that only proves that a request came through Cloudflare,
# which anybody's zone can have.
resource "cloudflare_authenticated_origin_pulls_certificate" "sluice" {
  zone_id     = var.zone_id
  certificate = var.origin_pull_certificate
  private_key = var.origin_pull_key
}

resource "cloudflare_authenticated_origin_pulls_settings" "sluice" {
  zone_id    = var.zone_id
  enabled    = true
  depends_on = [cloudflare_authenticated_origin_pulls_certificate.sluice]
}

# For the firewall in front of the origins: nobody else's packets.
data "cloudflare_ip_ranges" "now" {}

output "cloudflare_ipv4" {
  description = "Allow port 443 of the origins to these, and nobody else: README.md."
  value       = data.cloudflare_ip_ranges.now.ipv4_cidrs
}
