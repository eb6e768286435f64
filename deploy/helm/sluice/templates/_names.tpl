{{- define "sluice.labels" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* What selects one process: `dict "root" $ "component" "relay"`. Never changes between releases. */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "sluice.name" -}}
{{ printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A whole name: nginx's resolver knows no search domains. */}}
{{- define "sluice.host" -}}
{{ include "sluice.name" . }}.{{ .root.Release.Namespace }}.svc.cluster.local
{{- end }}

{{- define "sluice.image" -}}
image: {{ printf "%ssluice-%s:%s" .root.Values.images.prefix .family (.tag | default .root.Values.images.tag) | quote }}
imagePullPolicy: {{ .root.Values.images.pullPolicy }}
{{- end }}

{{- define "sluice.secretName" -}}
{{ required "secretName: the Secret that `python3 -m deploy.compose.make_secrets` makes" .Values.secretName }}
{{- end }}

{{/* One variable out of the Secret: `dict "root" $ "name" NAME` and `key` where it is called differently. */}}
{{- define "sluice.secretVariable" -}}
- name: {{ .name }}
  valueFrom: { secretKeyRef: { name: {{ include "sluice.secretName" .root }}, key: {{ .key | default .name }} } }
{{- end }}

{{- define "sluice.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "sluice.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Over zones and nodes: `dict "root" $ "component" …`. */}}
{{- define "sluice.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ .root.Values.topologySpread.zoneKey }}
    whenUnsatisfiable: {{ .root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector: { matchLabels: { {{- include "sluice.selectorInline" . }} } }
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: { matchLabels: { {{- include "sluice.selectorInline" . }} } }
{{- end }}

{{- define "sluice.selectorInline" -}}
app.kubernetes.io/name: sluice, app.kubernetes.io/instance: {{ .root.Release.Name }}, app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* What every pod has besides its containers. */}}
{{- define "sluice.podBasics" -}}
serviceAccountName: {{ include "sluice.name" (dict "root" .root "component" "pods") }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- include "sluice.podSecurity" . | nindent 2 }}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Control plane and workers: config/env.py and runtime/env.py. `process` names it in logs and traces. */}}
{{- define "sluice.django" -}}
- { name: SLUICE_PROCESS, value: {{ .process | quote }} }
- { name: SLUICE_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }} }
- { name: SLUICE_TIME_ZONE, value: {{ .root.Values.timeZone | quote }} }
- { name: SLUICE_DEMO, value: {{ ternary "1" "0" .root.Values.demo | quote }} }
- { name: SLUICE_CONTROL_PLANE_URL, value: {{ printf "http://%s:8000" (include "sluice.host" (dict "root" .root "component" "control-plane")) | quote }} }
- { name: SLUICE_ALLOWED_HOSTS, value: {{ include "sluice.allowedHosts" .root | quote }} }
- { name: SLUICE_CONSOLE_SCHEME, value: {{ .root.Values.console.scheme | quote }} }
- { name: SLUICE_CONSOLE_PROXIES, value: {{ join "," (required "console.proxies: CIDRs of the gateways' pods; without them one wrong password counts for everybody" .root.Values.console.proxies) | quote }} }
- { name: SLUICE_ADMIN_REQUIRE_TOTP, value: {{ .root.Values.console.requireTotp | quote }} }
- { name: SLUICE_APPROVAL_BY_SECOND_PERSON, value: {{ ternary "1" "0" .root.Values.console.secondPerson | quote }} }
- { name: SLUICE_SHARDS_PER_ITEM, value: {{ .root.Values.stockRedis.masters | quote }} }
{{- with .root.Values.stockRedis.standbySeeds }}
- { name: SLUICE_STOCK_STANDBY_REDIS, value: {{ join "," . | quote }} }
{{- end }}
{{- with .root.Values.otlpUrl }}
- { name: SLUICE_OTLP_URL, value: {{ . | quote }} }
{{- end }}
{{- with .root.Values.prometheusUrl }}
- { name: SLUICE_PROMETHEUS_URL, value: {{ . | quote }} }
{{- end }}
{{- range list "SLUICE_SALE_DSN" "SLUICE_INVENTORY_DSN" "SLUICE_WORK_REDIS_URL" "SLUICE_SNAPSHOT_KEY" "SLUICE_INTERNAL_TOKEN" "SLUICE_SECRET_KEY" "SLUICE_PAYMENT_PROVIDERS" "SLUICE_MONITORING_TOKEN" }}
{{ include "sluice.secretVariable" (dict "root" $.root "name" .) }}
{{- end }}
{{- if .root.Values.demo }}
{{ include "sluice.secretVariable" (dict "root" .root "name" "SLUICE_DEMO_PAYMENT_KEYS") }}
{{- end }}
{{- end }}

{{/* 127.0.0.1: what the probes say they ask. The Service's names: gateways, edge and Prometheus. */}}
{{- define "sluice.allowedHosts" -}}
{{ join "," (concat .Values.console.hosts (list "127.0.0.1" (include "sluice.name" (dict "root" . "component" "control-plane")) (include "sluice.host" (dict "root" . "component" "control-plane")))) }}
{{- end }}

{{- define "sluice.stock" -}}
- { name: SLUICE_STOCK_REDIS, value: {{ join "," (required "stockRedis.seeds: host:port of some nodes" .root.Values.stockRedis.seeds) | quote }} }
- { name: SLUICE_STOCK_REDIS_USER, value: {{ .user }} }
{{ include "sluice.secretVariable" (dict "root" .root "name" "SLUICE_STOCK_REDIS_PASSWORD" "key" (printf "stock_%s_password" .user)) }}
{{- end }}

{{- define "sluice.kafka" -}}
- { name: SLUICE_KAFKA_BROKERS, value: {{ join "," (required "kafka.brokers: host:port of some brokers" .Values.kafka.brokers) | quote }} }
{{- end }}
