{{- define "spool-worker.fullname" -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "spool-worker.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* One command for both probes. NODE_OPTIONS is emptied because a probe inherits the
container's: an --inspect-brk would hang it, a preload slows it. */}}
{{- define "spool-worker.probe" -}}
{{- $probe := toString .Values.probe }}
{{- if eq $probe "shell" -}}
exec:
  command: ["sh", "/app/node_modules/k8s-liveness/dist/liveness.sh"]
{{- else if eq $probe "node" -}}
exec:
  command: ["env", "NODE_OPTIONS=", "node", "/app/dist/liveness.js"]
{{- else }}
{{- fail (printf "probe: expected \"shell\" or \"node\", got %s" (toJson .Values.probe)) }}
{{- end }}
{{- end }}
