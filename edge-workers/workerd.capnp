# Serves dist/worker.js with workerd, the open-source runtime of Cloudflare Workers.
# Given on the command line: the listening address, --socket-addr http=127.0.0.1:8700, and where
# published pages are, --directory-path published=/…

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "edge", worker = .edge),
    # What the control plane has published. The directory is given on the command line:
    # --directory-path published=…; it has to exist and may be empty. Read anew at each request, so
    # that a publication needs no restart; names that begin with a dot are not served.
    (name = "published", disk = (writable = false, allowDotfiles = false)),
    # Where the worker's fetch() may go. workerd's default is public addresses only; the gateway and
    # the control plane of this stack are at private ones, and nothing else is needed.
    (name = "origins", network = (allow = ["private"])),
    # But Turnstile's judge, which worker/env/outbound.ts alone uses. This host and no other.
    (name = "cloudflare", external = (
      address = "challenges.cloudflare.com:443",
      https = (
        tlsOptions = (trustBrowserCas = true),
        certificateHost = "challenges.cloudflare.com",
      ),
    )),
  ],
  sockets = [(name = "http", http = (), service = "edge")],
);

const edge :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "dist/worker.js")],
  # Not later than the pinned workerd's build, else it refuses to start. Same in wrangler.jsonc.
  compatibilityDate = "2026-10-20",
  globalOutbound = "origins",
  bindings = [
    (name = "SLUICE_SNAPSHOT_KEY", fromEnvironment = "SLUICE_SNAPSHOT_KEY"),
    (name = "SLUICE_INTERNAL_TOKEN", fromEnvironment = "SLUICE_INTERNAL_TOKEN"),
    (name = "SLUICE_CONTROL_PLANE_URL", fromEnvironment = "SLUICE_CONTROL_PLANE_URL"),
    (name = "SLUICE_GATEWAY_URL", fromEnvironment = "SLUICE_GATEWAY_URL"),
    (name = "SLUICE_GATEWAY_CANARY_URL", fromEnvironment = "SLUICE_GATEWAY_CANARY_URL"),
    (name = "SLUICE_CHECK_KEY", fromEnvironment = "SLUICE_CHECK_KEY"),
    (name = "SLUICE_TURNSTILE_SITE_KEY", fromEnvironment = "SLUICE_TURNSTILE_SITE_KEY"),
    (name = "SLUICE_TURNSTILE_SECRET", fromEnvironment = "SLUICE_TURNSTILE_SECRET"),
    (name = "SLUICE_TURNSTILE_URL", fromEnvironment = "SLUICE_TURNSTILE_URL"),
    (name = "SLUICE_EDGE_INSTANCE", fromEnvironment = "SLUICE_EDGE_INSTANCE"),
    (name = "SLUICE_MONITORING_TOKEN", fromEnvironment = "SLUICE_MONITORING_TOKEN"),
    (name = "SLUICE_DEMO", fromEnvironment = "SLUICE_DEMO"),
    (name = "SLUICE_OTLP_URL", fromEnvironment = "SLUICE_OTLP_URL"),
    (name = "SLUICE_PUBLISHED", service = "published"),
    (name = "SLUICE_CLOUDFLARE", service = "cloudflare"),
  ],
);
