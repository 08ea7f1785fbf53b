{{- define "spool-worker.fullname" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "spool-worker.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* One command for both probes. A probe inherits the container's environment: a NODE_OPTIONS with
--inspect-brk would hang it, a preload slows it, and NODE_EXTRA_CA_CERTS slows Node 20. */}}
{{- define "spool-worker.probe" -}}
{{- $probe := toString .Values.probe }}
{{- if eq $probe "shell" -}}
exec:
  command: ["sh", "/app/node_modules/k8s-liveness/dist/liveness.sh"]
{{- else if eq $probe "node" -}}
exec:
  command: ["env", "NODE_OPTIONS=", "NODE_EXTRA_CA_CERTS=", "node", "/app/dist/liveness.js"]
{{- else }}
{{- fail (printf "probe: expected \"shell\" or \"node\", got %s" (toJson .Values.probe)) }}
{{- end }}
{{- end }}
