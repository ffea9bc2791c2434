{{- define "cardinality-guard.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "cardinality-guard.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "cardinality-guard.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "cardinality-guard.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "cardinality-guard.selectorLabels" -}}
app.kubernetes.io/name: {{ include "cardinality-guard.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cardinality-guard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "cardinality-guard.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Fails for a target that config.targets does not have: every scrape would be refused. */ -}}
{{- define "cardinality-guard.proxyUrl" -}}
{{- $known := list }}
{{- range .root.Values.config.targets }}{{ $known = append $known .name }}{{ end }}
{{- if not (has .target $known) }}
{{- fail (printf "%s is no entry of config.targets" .target) }}
{{- end }}
{{- printf "http://%s@%s.%s.svc:%d" .target (include "cardinality-guard.fullname" .root) .root.Release.Namespace (int .root.Values.service.port) }}
{{- end }}
