variable "account_id" {
  description = "The Cloudflare account."
  type        = string
}

variable "zone_id" {
  description = "The zone of `domain`, which is there already."
  type        = string
}

variable "domain" {
  description = "Where shoppers come: sale.shop.example."
  type        = string
}

variable "gateway_host" {
  description = "The gateways' public name, proxied by Cloudflare: gateway.shop.example."
  type        = string
}

variable "control_plane_host" {
  description = "The name under which the worker reads snapshots: control.shop.example. Only /internal/ is let through."
  type        = string
}

variable "gateway_addresses" {
  description = "IPv4 addresses of the load balancer in front of the gateways."
  type        = list(string)
}

variable "control_plane_addresses" {
  description = "IPv4 addresses of what stands before the control plane's /internal/."
  type        = list(string)
}

variable "bundle" {
  description = "edge-workers/dist/worker.js, made by `npm run build`."
  type        = string
  default     = "../../edge-workers/dist/worker.js"
}

variable "published" {
  description = "A copy of SLUICE_PUBLISH_DIR, without names that begin with a dot."
  type        = string
  default     = "published"
}

variable "canary_url" {
  description = "A second pool of gateways, or empty."
  type        = string
  default     = ""
}

variable "secrets" {
  description = "SLUICE_SNAPSHOT_KEY, SLUICE_INTERNAL_TOKEN, SLUICE_CHECK_KEY, SLUICE_MONITORING_TOKEN: the same files the rest has."
  type        = map(string)
  sensitive   = true

  validation {
    condition = alltrue([
      for name in ["SLUICE_SNAPSHOT_KEY", "SLUICE_INTERNAL_TOKEN", "SLUICE_CHECK_KEY"] :
      length(lookup(var.secrets, name, "")) >= 32
    ])
    error_message = "SLUICE_SNAPSHOT_KEY, SLUICE_INTERNAL_TOKEN and SLUICE_CHECK_KEY have at least 32 characters."
  }
}

variable "origin_pull_certificate" {
  description = "PEM of the client certificate Cloudflare shows to the origins, signed by an authority of yours."
  type        = string
}

variable "origin_pull_key" {
  description = "Its private key."
  type        = string
  sensitive   = true
}

variable "entry_requests_per_10_s" {
  description = "Requests of one address to the doors of a sale in ten seconds; more are refused for ten. NATs share it."
  type        = number
  default     = 60
}

variable "buy_requests_per_10_s" {
  description = "The same for purchases. The gateway's own limits are finer and in force first for honest loads."
  type        = number
  default     = 200
}
