terraform {
  required_version = ">= 1.6"
  required_providers {
    cloudflare = {
      source  = "cloudflare/cloudflare"
      version = "~> 5.8"
    }
  }
}

# The token comes from CLOUDFLARE_API_TOKEN: Zone.{DNS, SSL, WAF, Worker routes} and Account.Workers of this account.
provider "cloudflare" {}
