locals {
  home = "gs://${var.bucket}"
  read = [for name, each in google_pubsub_subscription.signal : "${name}=pubsub://${var.project}/${each.name}?format=avro${var.cuts ? "&own" : ""}"]
  kept = [for name, each in google_bigquery_table.output : "${name}=bigquery://${var.project}/${each.dataset_id}/${name}"]
  told = [for name, each in google_pubsub_topic.output : "${name}=pubsub://${var.project}/${each.name}"]
}

resource "google_dataflow_flex_template_job" "segone" {
  provider = google-beta
  count    = var.run_job ? 1 : 0

  name                    = "segone"
  container_spec_gcs_path = var.template
  region                  = var.region
  on_delete               = "cancel" # a drain lets all time pass, and with it leaves cuts of times to come

  sdk_container_image     = var.image
  service_account_email   = google_service_account.worker.email
  machine_type            = var.machine_type
  max_workers             = var.max_workers
  enable_streaming_engine = true
  ip_configuration        = "WORKER_IP_PRIVATE"
  subnetwork              = var.subnetwork
  staging_location        = "${local.home}/staging"
  temp_location           = "${local.home}/temp"

  parameters = merge(
    {
      playbook = "${local.home}/${var.playbooks}"
      signals  = join(" ", sort(local.read))
      publish  = join(" ", sort(concat(local.told, local.kept)))
      out      = "${local.home}/out"
      mode     = var.mode
      shards   = tostring(var.shards)
    },
    var.cuts ? { state_out = "${local.home}/state" } : {},
    var.resume ? { state_in = "${local.home}/state" } : {},
  )

  labels = {
    app = "segone"
  }

  depends_on = [
    google_project_iam_member.worker,
    google_storage_bucket_iam_member.worker,
    google_artifact_registry_repository_iam_member.worker,
    google_secret_manager_secret_iam_member.worker,
    google_pubsub_subscription_iam_member.reads,
    google_pubsub_subscription_iam_member.looks,
    google_pubsub_topic_iam_member.publishes,
    google_bigquery_dataset_iam_member.appends,
  ]
}
