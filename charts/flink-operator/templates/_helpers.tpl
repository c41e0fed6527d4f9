{{- define "flink-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "flink-operator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "flink-operator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "flink-operator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "flink-operator.selector" -}}
app.kubernetes.io/name: {{ include "flink-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "flink-operator.labels" -}}
{{ include "flink-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "flink-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Name of the port that serves /metrics: without one of its own it is that of the probes. */}}
{{- define "flink-operator.metricsPort" -}}
{{- if .Values.metrics.port }}metrics{{ else }}health-port{{ end }}
{{- end }}

{{/* Name of the configuration file in use. */}}
{{- define "flink-operator.configFile" -}}
{{- if index .Values.defaultConfiguration "config.yaml" }}config.yaml{{ else }}flink-conf.yaml{{ end }}
{{- end }}

{{/* The configuration as text: a map is written as YAML, and the health port is added where it is not named. */}}
{{- define "flink-operator.config" -}}
{{- $given := index .Values.defaultConfiguration (include "flink-operator.configFile" .) }}
{{- $text := "" }}
{{- if kindIs "string" $given }}
{{- $text = $given }}
{{- else if $given }}
{{- $text = toYaml $given }}
{{- end }}
{{- with trim $text }}
{{- . }}
{{ end }}
{{- if not (contains "kubernetes.operator.health.probe.port" $text) -}}
kubernetes.operator.health.probe.port: {{ .Values.operatorHealth.port }}
{{ end }}
{{- if and .Values.watchNamespaces (not (contains "kubernetes.operator.watched.namespaces" $text)) -}}
kubernetes.operator.watched.namespaces: {{ join "," .Values.watchNamespaces }}
{{- end }}
{{- end }}

{{/* What is asked for and not built stops the installation here, with what to do. */}}
{{- define "flink-operator.check" -}}
{{- if .Values.webhook.create }}
{{- fail "webhook.create=true: the admission webhook is not part of this release. Set webhook.create=false; the operator validates every spec itself and says what is wrong in an event and in the status." }}
{{- end }}
{{- if .Values.tls.create }}
{{- fail "tls.create=true: talking to Flink's REST interface over TLS is not part of this release. Set tls.create=false." }}
{{- end }}
{{- if and (gt (int .Values.replicas) 1) (not (contains "leader-election" (include "flink-operator.config" .))) }}
{{- fail "replicas is above 1 without leader election: two operators would act on the same resources. Set kubernetes.operator.leader-election.enabled: true and kubernetes.operator.leader-election.lease-name in defaultConfiguration." }}
{{- end }}
{{- end }}

{{/* A list of environment variables stays; a map from name to value becomes one. */}}
{{- define "flink-operator.env" -}}
{{- if kindIs "map" . }}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- else if . }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What the operator may do in the namespaces it looks after: the calls it makes and no others. */}}
{{- define "flink-operator.rules" -}}
- apiGroups: [flink.apache.org]
  resources: [flinkdeployments]
  verbs: [get, list, watch, patch, update]
- apiGroups: [flink.apache.org]
  resources: [flinkdeployments/status]
  verbs: [patch, update]
- apiGroups: [flink.apache.org]
  resources: [flinkdeployments/finalizers]
  verbs: [update]
- apiGroups: [flink.apache.org]
  resources: [flinkstatesnapshots]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [flink.apache.org]
  resources: [flinkstatesnapshots/status]
  verbs: [patch, update]
- apiGroups: [flink.apache.org]
  resources: [flinkstatesnapshots/finalizers]
  verbs: [update]
- apiGroups: [flink.apache.org]
  resources: [flinksessionjobs, flinkbluegreendeployments]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [""]
  resources: [services, configmaps]
  verbs: [get, list, watch, create, patch, update, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list]
- apiGroups: [""]
  resources: [resourcequotas]
  verbs: [list]
{{- end }}

{{/* What the job manager of a native cluster may do in its namespace. */}}
{{- define "flink-operator.jobRules" -}}
- apiGroups: [""]
  resources: [pods, configmaps]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
- apiGroups: [apps]
  resources: [deployments, deployments/finalizers]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
{{- end }}
