{{- /*
Made by: k8s-liveness manifest --maximum-age 2m --format helm
Every number follows from one value, the limit in seconds: the maximumAge in the service's code. values.yaml:

maximumAgeSeconds: 120

A Deployment's pod:

    spec:
      enableServiceLinks: false # else every Service of the namespace puts variables into the service and its probes
      containers:
        - name: worker
          env:
            {{- include "k8s-liveness.env" . | nindent 12 }}
          {{- include "k8s-liveness.probes" .Values.maximumAgeSeconds | nindent 10 }}
          volumeMounts:
            {{- include "k8s-liveness.volumeMounts" . | nindent 12 }}
          resources:
            requests:
              cpu: 100m # else a wedged neighbour that has a request starves this pod and its probe
      volumes:
        {{- include "k8s-liveness.volumes" . | nindent 8 }}

If you limit memory or pids, leave 6 MiB and 8 threads for the probe beside the service's peak. Limit no CPU.
The service can run as any user and with a read-only root: it beats into memory.
*/}}

{{- define "k8s-liveness.probes" -}}
{{- $limit := int64 . }}
{{- if or (lt $limit 2) (ne (float64 .) (float64 $limit)) }}
{{- fail (printf "maximumAgeSeconds: expected whole seconds, at least 2; got %v" .) }}
{{- end }}
{{- $timeout := min 5 (div $limit 2) }}
{{- $period := max $timeout (min 60 (div $limit 4)) }}
{{- $failures := int64 2 }}
{{- $startupPeriod := max $timeout (min 5 $period) }}
{{- $startup := $limit }}
{{- $startupFailures := add 1 (div (sub (add $startup $startupPeriod) 1) $startupPeriod) }}
{{- $earliest := add $limit (sub (mul (sub $failures 1) $period) $timeout) }}
{{- $latest := add $limit (mul $failures $period) $timeout }}
{{- $from := $earliest | duration | replace "m0s" "m" | replace "h0m" "h" }}
{{- $to := $latest | duration | replace "m0s" "m" | replace "h0m" "h" -}}
startupProbe:
  # Holds the others back until the first beat: what an earlier container left behind is no beat.
  exec:
    command: ["sh", "node_modules/k8s-liveness/dist/liveness.sh"]
  periodSeconds: {{ $startupPeriod }}
  timeoutSeconds: {{ $timeout }}
  failureThreshold: {{ $startupFailures }} # ({{ $startupFailures }} - 1) x {{ $startupPeriod }}s to the first beat: the first probe may come at once
livenessProbe:
  # A wedged loop is decided between {{ $from }} and {{ $to }} after its last beat; no stall under {{ $from }} restarts it.
  # A node adds a second or two if it is idle, more if it is starved; 10s later the container is gone.
  exec:
    command: ["sh", "node_modules/k8s-liveness/dist/liveness.sh"]
  periodSeconds: {{ $period }}
  timeoutSeconds: {{ $timeout }} # at most the period, or timeouts would queue
  failureThreshold: {{ $failures }} # a resumed machine may look stale once
  terminationGracePeriodSeconds: 10 # a wedged loop runs no SIGTERM handler
{{- end }}

{{- define "k8s-liveness.env" -}}
- name: LIVENESS_PATH # moves the service and its probes together
  value: /run/liveness/timestamp
{{- end }}

{{- define "k8s-liveness.volumeMounts" -}}
- name: liveness
  mountPath: /run/liveness
{{- end }}

{{- define "k8s-liveness.volumes" -}}
- name: liveness
  emptyDir: # in memory: a frozen disk must not stall the loop
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
