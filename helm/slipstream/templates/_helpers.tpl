{{- define "slipstream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects a part's pods: (list . "gateway"). */}}
{{- define "slipstream.selector" -}}
app.kubernetes.io/name: {{ default (index . 0).Chart.Name (index . 0).Values.nameOverride }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "slipstream.labels" -}}
{{ include "slipstream.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end -}}

{{- define "slipstream.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "slipstream.serviceAccount" -}}
{{- if (index . 0).Values.serviceAccounts.create -}}
{{ include "slipstream.fullname" (index . 0) }}-{{ index . 1 }}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* What every pod says of itself: (list . "gateway"). No rights, no token, no links of Services: Kubernetes would write those into
     variables such as SLIPSTREAM_GATEWAY_PORT, which we read. */}}
{{- define "slipstream.pod" -}}
{{- $ := index . 0 -}}
serviceAccountName: {{ include "slipstream.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $.Values.pods.user }}
  runAsGroup: {{ $.Values.pods.group }}
  fsGroup: {{ $.Values.pods.group }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- with $.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with $.Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "slipstream.placement" -}}
{{- with .Values.pods.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.pods.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every container says of itself. */}}
{{- define "slipstream.container" -}}
image: {{ include "slipstream.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* The variables of one Secret: (list "slipstream-stores" "SLIPSTREAM_CONTROL_URL" ...). Without a name: none. */}}
{{- define "slipstream.secret" -}}
{{- $name := first . -}}
{{- if $name -}}
{{- range rest . }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $name }}, key: {{ . }} } }
{{- end }}
{{- end -}}
{{- end -}}

{{- define "slipstream.settings" -}}
- configMapRef: { name: {{ include "slipstream.fullname" . }}-settings }
{{- end -}}

{{/* Where a process of ours may write, the file system being read-only. */}}
{{- define "slipstream.home" -}}
- { name: HOME, value: /tmp }
- { name: SLIPSTREAM_HOME, value: /var/lib/slipstream }
{{- if .Values.secrets.authorities }}
- { name: SLIPSTREAM_CA_BUNDLE, value: /etc/slipstream/authorities/ca.crt }
{{- end }}
{{- end -}}

{{- define "slipstream.mounts" -}}
- { name: home, mountPath: /var/lib/slipstream }
- { name: tmp, mountPath: /tmp }
{{- if .Values.secrets.authorities }}
- { name: authorities, mountPath: /etc/slipstream/authorities, readOnly: true }
{{- end }}
{{- end -}}

{{/* (list . "8Gi") */}}
{{- define "slipstream.volumes" -}}
- name: home
  emptyDir: { sizeLimit: {{ index . 1 }} }
- name: tmp
  emptyDir: { sizeLimit: {{ index . 2 }} }
{{- with (index . 0).Values.secrets.authorities }}
- name: authorities
  secret: { secretName: {{ . }}, defaultMode: 0444 }
{{- end }}
{{- end -}}

{{- define "slipstream.rayName" -}}
{{ include "slipstream.fullname" . }}-ray
{{- end -}}

{{- define "slipstream.gatewayUrl" -}}
{{- default (printf "%s://%s-gateway:%v" (ternary "https" "http" (ne .Values.gateway.tls.secret "")) (include "slipstream.fullname" .) .Values.gateway.service.port) .Values.settings.gatewayUrl -}}
{{- end -}}

{{- define "slipstream.mlflowUrl" -}}
{{- default (printf "http://%s-mlflow:5500" (include "slipstream.fullname" .)) .Values.settings.mlflowUrl -}}
{{- end -}}

{{- define "slipstream.rayUrl" -}}
{{- default (printf "http://%s-head-svc:8265" (include "slipstream.rayName" .)) .Values.settings.rayUrl -}}
{{- end -}}

{{- define "slipstream.root" -}}
{{- $root := required "settings.root is not set. Nothing was installed. Next: name an S3 bucket, --set settings.root=s3://bucket/prefix." .Values.settings.root -}}
{{- $root | trimSuffix "/" -}}
{{- end -}}
