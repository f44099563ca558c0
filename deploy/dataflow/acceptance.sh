#!/usr/bin/env bash
# Ten minutes on Dataflow: live signals in, one job, decisions out, compared with those of the same signals in files.
#   PROJECT=... REGION=... BUCKET=... TEMPLATE=gs://... IMAGE=... SERVICE_ACCOUNT=... deploy/dataflow/acceptance.sh
# Needs gcloud, logged in, and `segone` on the PATH. READ=own lets our own reader read, with cuts; by default Dataflow
# reads itself. SUBNETWORK names one, without public addresses of workers. It costs two small workers for some fifteen
# minutes, cancels the job and removes what it made. What to look at is printed, and said in deploy/README.md.
set -euo pipefail
: "${PROJECT:?}" "${REGION:?}" "${BUCKET:?}" "${TEMPLATE:?}" "${IMAGE:?}" "${SERVICE_ACCOUNT:?}"
cd "$(dirname "$0")/../.."
name=segone-acceptance-$(date -u +%Y%m%d-%H%M%S)
home=gs://$BUCKET/$name
here=$(mktemp -d)
how=${READ:-native}
signals=(balance consent order control contact outcome)
outputs=(offers decisions rejected)
export CLOUDSDK_CORE_PROJECT=$PROJECT CLOUDSDK_CORE_DISABLE_PROMPTS=1

say() { printf '\n== %s\n' "$*"; }
job() { gcloud dataflow jobs list --region="$REGION" --filter="name=$name" --format="value($1)" --limit=1; }
state() { gcloud dataflow jobs describe "$(job id)" --region="$REGION" --format='value(currentState)'; }
counters() {
    gcloud beta dataflow metrics list "$(job id)" --region="$REGION" --source=user \
        --format='table(name.context.namespace, name.name, scalar)' || true
}

remove() {
    say "cancelling the job; removing topics, subscriptions and $home"
    local each id
    id=$(job id || true)
    [ -z "$id" ] || gcloud dataflow jobs cancel "$id" --region="$REGION" || true
    for each in "${signals[@]}" "${outputs[@]}"; do
        gcloud pubsub subscriptions delete "$name-$each" --quiet || true
        gcloud pubsub topics delete "$name-$each" --quiet || true
    done
    gcloud storage rm --recursive "$home" || true
    rm -rf "$here"
}
trap remove EXIT

case $how in
native) option="" more="" ;;
own) option="?own" more=";state_out=$home/state;state_every=1m" ;;
*) say "READ is native or own, not $how"; exit 2 ;;
esac

say "topics, subscriptions, the playbook"
gcloud storage cp --quiet examples/consumer/playbook.yaml "$home/playbook.yaml"
read_=()
told=()
for each in "${signals[@]}"; do
    gcloud pubsub topics create "$name-$each"
    gcloud pubsub subscriptions create "$name-$each" --topic="$name-$each" --ack-deadline=60
    read_+=("$each=pubsub://$PROJECT/$name-$each$option")
done
for each in "${outputs[@]}"; do
    gcloud pubsub topics create "$name-$each"
    gcloud pubsub subscriptions create "$name-$each" --topic="$name-$each" --ack-deadline=600
    told+=("$each=pubsub://$PROJECT/$name-$each")
done

say "the job $name, read: $how"
gcloud dataflow flex-template run "$name" --region="$REGION" --template-file-gcs-location="$TEMPLATE" \
    --service-account-email="$SERVICE_ACCOUNT" --staging-location="$home/staging" --temp-location="$home/temp" \
    --max-workers=2 --worker-machine-type=n2-standard-2 --enable-streaming-engine \
    ${SUBNETWORK:+--subnetwork="$SUBNETWORK" --disable-public-ips} \
    --additional-pipeline-options="sdk_container_image=$IMAGE" \
    --parameters="^;^playbook=$home/playbook.yaml;signals=${read_[*]};publish=${told[*]};out=$home/out;mode=simulated;shards=2$more"
for ((minute = 0; minute < 10; minute++)); do
    if [ -n "$(job id)" ] && [ "$(state)" = JOB_STATE_RUNNING ]; then break; fi
    sleep 60
done
[ "$(state)" = JOB_STATE_RUNNING ] || { say "not running: $(state); read its log in the console"; exit 1; }

say "four minutes of live signals of 300 lines: some come twice, one is none"
python deploy/dataflow/live_signals.py "$here" 240 --project "$PROJECT" --prefix "$name-"
until=$(cat "$here/until")

say "what files make of them: the decisions that the stream must make, too"
given=()
for each in "${signals[@]}"; do given+=(--signals "$each=$here/$each.jsonl"); done
segone run examples/consumer/playbook.yaml "${given[@]}" --until "$until" --mode simulated --out "$here/wanted" --format jsonl

say "the counters each minute, until ticks up to $until are over; wanted at last:"
cat "$here/counts"
for ((minute = 0; minute < 5; minute++)); do
    sleep 60
    counters
done

say "decisions out, against those of the files"
python deploy/dataflow/compare_decisions.py "$here/wanted" --project "$PROJECT" --subscription "$name-decisions" --until "$until"
say "accepted"
