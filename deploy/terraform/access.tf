data "google_project" "this" {
  project_id = var.project
}

locals {
  worker  = "serviceAccount:${google_service_account.worker.email}"
  brokers = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_service_account" "worker" {
  account_id   = "segone-worker"
  display_name = "Segment of One: workers and launcher"
}

# To run as a worker, and nothing else in the project.
resource "google_project_iam_member" "worker" {
  project = var.project
  role    = "roles/dataflow.worker"
  member  = local.worker
}

resource "google_storage_bucket_iam_member" "worker" {
  for_each = toset(["roles/storage.legacyBucketReader", "roles/storage.objectUser"])

  bucket = var.bucket
  role   = each.key
  member = local.worker
}

resource "google_artifact_registry_repository_iam_member" "worker" {
  location   = var.region
  repository = var.repository
  role       = "roles/artifactregistry.reader"
  member     = local.worker
}

resource "google_secret_manager_secret_iam_member" "worker" {
  secret_id = var.pseudonym_key_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = local.worker
}

resource "google_pubsub_subscription_iam_member" "reads" {
  for_each = google_pubsub_subscription.signal

  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.worker
}

resource "google_pubsub_subscription_iam_member" "looks" {
  for_each = google_pubsub_subscription.signal

  subscription = each.value.name
  role         = "roles/pubsub.viewer"
  member       = local.worker
}

resource "google_pubsub_topic_iam_member" "publishes" {
  for_each = google_pubsub_topic.output

  topic  = each.value.name
  role   = "roles/pubsub.publisher"
  member = local.worker
}

resource "google_bigquery_dataset_iam_member" "appends" {
  count = length(google_bigquery_dataset.segone)

  dataset_id = google_bigquery_dataset.segone[count.index].dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = local.worker
}

# Pub/Sub itself moves what nobody takes to the dead-letter topic.
resource "google_pubsub_topic_iam_member" "buries" {
  topic  = google_pubsub_topic.dead_letter.name
  role   = "roles/pubsub.publisher"
  member = local.brokers
}

resource "google_pubsub_subscription_iam_member" "takes_away" {
  for_each = google_pubsub_subscription.output

  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.brokers
}
