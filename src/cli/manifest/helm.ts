import { RULE, type Wishes } from './numbers';
import { commandOf, environmentOf, folderOf, roomOf, type Subject } from './yaml';

/** Named templates for a chart's _helpers.tpl. Their arithmetic is that of numbers.ts; test/wide/chart.test.ts compares. */
export function helm(subject: Subject, wishes: Wishes): string {
  const { numbers, name, invocation, probe } = subject;
  const liveness = JSON.stringify(commandOf(subject, 'liveness')).replaceAll('","', '", "');
  const readiness = JSON.stringify(commandOf(subject, 'readiness')).replaceAll('","', '", "');
  const variable = environmentOf(subject);
  const isFixed = wishes.period !== undefined || wishes.timeout !== undefined;
  return `{{- /*
Made by: ${invocation}
Every number follows from one value, the limit in seconds: the maximumAge in the service's code. values.yaml:

maximumAgeSeconds: ${Math.ceil(numbers.limit)}

A Deployment's pod:

    spec:
      enableServiceLinks: false # else every Service of the namespace puts variables into the service and its probes
      containers:
        - name: ${name}
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

If you limit memory or pids, leave ${roomOf(probe)} for the probe beside the service's peak. Limit no CPU.
The service can run as any user and with a read-only root: it beats into memory.
*/}}

{{- define "k8s-liveness.probes" -}}
{{- $limit := int64 . }}
{{- if or (lt $limit ${RULE.shortestLimit}) (ne (float64 .) (float64 $limit)) }}
{{- fail (printf "maximumAgeSeconds: expected whole seconds, at least ${RULE.shortestLimit}; got %v" .) }}
{{- end }}
{{- $timeout := ${timeoutOf(wishes)} }}
{{- $period := ${wishes.period === undefined ? `max $timeout (min ${RULE.longestPeriod} (div $limit ${RULE.periodsPerLimit}))` : `int64 ${wishes.period}`} }}
{{- $failures := int64 ${wishes.failures ?? RULE.failures} }}
${
  isFixed
    ? `{{- if gt (add $period $timeout) $limit }}
{{- fail (printf "maximumAgeSeconds: expected at least %d, a period and a timeout, so that a probe sees every beat; got %v" (add $period $timeout) .) }}
{{- end }}
`
    : ''
}{{- $startupPeriod := max $timeout (min ${RULE.startupPeriod} $period) }}
{{- $startup := ${wishes.startup === undefined ? '$limit' : `int64 ${wishes.startup}`} }}
{{- $startupFailures := add 1 (div (sub (add $startup $startupPeriod) 1) $startupPeriod) }}
{{- $earliest := add $limit (sub (mul (sub $failures 1) $period) $timeout) }}
{{- $latest := add $limit (mul $failures $period) $timeout }}
{{- $from := $earliest | duration | replace "m0s" "m" | replace "h0m" "h" }}
{{- $to := $latest | duration | replace "m0s" "m" | replace "h0m" "h" -}}
startupProbe:
  # Holds the others back until the first beat: what an earlier container left behind is no beat.
  exec:
    command: ${liveness}
  periodSeconds: {{ $startupPeriod }}
  timeoutSeconds: {{ $timeout }}
  failureThreshold: {{ $startupFailures }} # ({{ $startupFailures }} - 1) x {{ $startupPeriod }}s to the first beat: the first probe may come at once
${
  subject.path === undefined
    ? `{{- $readinessPeriod := max $timeout (min ${RULE.readinessPeriod} $period) }}
readinessProbe:
  # Looks at the error too: out of service at most {{ add (mul ${RULE.failures} $readinessPeriod) $timeout }}s after the service has set one.
  exec:
    command: ${readiness}
  periodSeconds: {{ $readinessPeriod }}
  timeoutSeconds: {{ $timeout }}
  failureThreshold: ${RULE.failures}
`
    : ''
}livenessProbe:
  # A wedged loop is decided between {{ $from }} and {{ $to }} after its last beat; no stall under {{ $from }} restarts it.
  # A node adds a second or two if it is idle, more if it is starved; ${RULE.grace}s later the container is gone.
  exec:
    command: ${liveness}
  periodSeconds: {{ $period }}
  timeoutSeconds: {{ $timeout }} # at most the period, or timeouts would queue
  failureThreshold: {{ $failures }} # a resumed machine may look stale once
  terminationGracePeriodSeconds: ${RULE.grace} # a wedged loop runs no SIGTERM handler
{{- end }}

{{- define "k8s-liveness.env" -}}
- name: ${variable.name} # moves the service and its probes together
  value: ${variable.value}
{{- end }}

{{- define "k8s-liveness.volumeMounts" -}}
- name: liveness
  mountPath: ${folderOf(subject)}
{{- end }}

{{- define "k8s-liveness.volumes" -}}
- name: liveness
  emptyDir: # in memory: a frozen disk must not stall the loop
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
`;
}

function timeoutOf({ timeout, period }: Wishes): string {
  if (timeout !== undefined) return `int64 ${timeout}`;
  return `min ${RULE.timeout} (div $limit 2)${period === undefined ? '' : ` ${period}`}`;
}
