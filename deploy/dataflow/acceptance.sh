#!/usr/bin/env bash
# Ten minutes on Dataflow: signals in, one job, offers out; then it drains and removes what it made.
#   PROJECT=... REGION=... BUCKET=... TEMPLATE=gs://... IMAGE=... SERVICE_ACCOUNT=... deploy/dataflow/acceptance.sh
# Needs gcloud, logged in, and `segone` on the PATH. SUBNETWORK names one, without public addresses of workers.
# It costs two small workers for ten minutes. What to look at is printed, and said in deploy/README.md.
set -euo pipefail
: "${PROJECT:?}" "${REGION:?}" "${BUCKET:?}" "${TEMPLATE:?}" "${IMAGE:?}" "${SERVICE_ACCOUNT:?}"
cd "$(dirname "$0")/../.."
name=segone-acceptance-$(date -u +%Y%m%d-%H%M%S)
home=gs://$BUCKET/$name
here=$(mktemp -d)
signals=(balance order consent control)
outputs=(offers decisions rejected)
export CLOUDSDK_CORE_PROJECT=$PROJECT CLOUDSDK_CORE_DISABLE_PROMPTS=1

say() { printf '\n== %s\n' "$*"; }
job() { gcloud dataflow jobs list --region="$REGION" --filter="name=$name" --format="value($1)" --limit=1; }
state() { gcloud dataflow jobs describe "$(job id)" --region="$REGION" --format='value(currentState)'; }
counters() {
    gcloud beta dataflow metrics list "$(job id)" --region="$REGION" --source=user \
        --format='table(name.name, scalar)' || true
}

remove() {
    say "removing topics, subscriptions and $home"
    local each
    for each in "${signals[@]}" "${outputs[@]}"; do
        gcloud pubsub subscriptions delete "$name-$each" --quiet || true
        gcloud pubsub topics delete "$name-$each" --quiet || true
    done
    gcloud storage rm --recursive "$home" || true
    rm -rf "$here"
}
trap remove EXIT

say "a town of 300 lines, two days, and what files make of it: the decisions that the stream must make, too"
segone simulate --out "$here/signals" --subscribers 300 --days 2 --format jsonl
given=()
for each in "${signals[@]}"; do given+=(--signals "$each=$here/signals/$each.jsonl"); done
segone run examples/consumer/playbook.yaml "${given[@]}" --mode simulated --out "$here/wanted" --format jsonl

say "topics, subscriptions, the playbook"
gcloud storage cp --quiet examples/consumer/playbook.yaml "$home/playbook.yaml"
read_=()
told=()
for each in "${signals[@]}"; do
    gcloud pubsub topics create "$name-$each"
    gcloud pubsub subscriptions create "$name-$each" --topic="$name-$each" --ack-deadline=60
    read_+=("$each=pubsub://$PROJECT/$name-$each?replay")
done
for each in "${outputs[@]}"; do
    gcloud pubsub topics create "$name-$each"
    gcloud pubsub subscriptions create "$name-$each" --topic="$name-$each" --ack-deadline=600
    told+=("$each=pubsub://$PROJECT/$name-$each")
done

say "the job $name"
gcloud dataflow flex-template run "$name" --region="$REGION" --template-file-gcs-location="$TEMPLATE" \
    --service-account-email="$SERVICE_ACCOUNT" --staging-location="$home/staging" --temp-location="$home/temp" \
    --max-workers=2 --worker-machine-type=n2-standard-2 --enable-streaming-engine \
    ${SUBNETWORK:+--subnetwork="$SUBNETWORK" --disable-public-ips} \
    --additional-pipeline-options="sdk_container_image=$IMAGE" \
    --parameters="^;^playbook=$home/playbook.yaml;signals=${read_[*]};publish=${told[*]};out=$home/out;mode=simulated;shards=2"
for ((minute = 0; minute < 10; minute++)); do
    if [ -n "$(job id)" ] && [ "$(state)" = JOB_STATE_RUNNING ]; then break; fi
    sleep 60
done
[ "$(state)" = JOB_STATE_RUNNING ] || { say "not running: $(state); read its log in the console"; exit 1; }

say "signals in"
python - "$PROJECT" "$name" "$here/signals" "${signals[@]}" <<'PYTHON'
import sys
from pathlib import Path

from google.cloud.pubsub_v1 import PublisherClient

project, name, folder, *signals = sys.argv[1:]
client = PublisherClient()
for signal in signals:
    lines = Path(folder, f"{signal}.jsonl").read_bytes().splitlines()
    topic = client.topic_path(project, f"{name}-{signal}")
    for sent in [client.publish(topic, line) for line in lines]:
        sent.result(timeout=120)
    print(f"{len(lines):,} {signal}")
PYTHON

say "five minutes of work; the counters each minute"
for ((minute = 0; minute < 5; minute++)); do
    sleep 60
    counters
done

say "drain, which ends all windows"
gcloud dataflow jobs drain "$(job id)" --region="$REGION"
for ((minute = 0; minute < 10; minute++)); do
    [ "$(state)" != JOB_STATE_DRAINED ] || break
    sleep 30
done
say "state: $(state), JOB_STATE_DRAINED is wanted"

say "decisions out, against those of the files"
python - "$PROJECT" "$name" "$here/wanted" <<'PYTHON'
import json
import sys
from pathlib import Path

from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import SubscriberClient

project, name, folder = sys.argv[1:]
end = json.loads(Path(folder, "run.json").read_text())["end_tick"]
client = SubscriberClient()
subscription = client.subscription_path(project, f"{name}-decisions")
got, repeated = {}, 0
while True:
    try:
        pulled = client.pull(subscription=subscription, max_messages=1000, timeout=30).received_messages
    except DeadlineExceeded:
        break
    if not pulled:
        break
    for each in pulled:
        decision = json.loads(each.message.data)
        if decision["tick"] > end:  # draining lets time pass that the files do not have
            continue
        key = decision["decision_id"], decision["action"]
        repeated += key in got
        got[key] = decision
    client.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in pulled])
decisions = map(json.loads, Path(folder, "decisions.jsonl").read_text().splitlines())
wanted = {(each["decision_id"], each["action"]) for each in decisions}
missing, more = wanted - got.keys(), got.keys() - wanted
print(f"{len(wanted):,} wanted, {len(got):,} got, {repeated:,} came again, {len(missing):,} missing, {len(more):,} more")
sys.exit(bool(missing or more))
PYTHON
say "accepted"
