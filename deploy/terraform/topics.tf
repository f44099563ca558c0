resource "google_pubsub_schema" "signal" {
  for_each = var.signals

  name       = "segone-${each.key}"
  type       = "AVRO"
  definition = file("${path.module}/../../schemas/avro/${each.key}.avsc")
}

resource "google_pubsub_topic" "signal" {
  for_each = var.signals

  name                       = "segone-${each.key}"
  message_retention_duration = "604800s"

  schema_settings {
    schema   = google_pubsub_schema.signal[each.key].id
    encoding = "BINARY"
  }
}

# What cannot be delivered five times is kept for a person. Signals that are refused are in the topic `rejected` instead.
resource "google_pubsub_topic" "dead_letter" {
  name                       = "segone-dead-letter"
  message_retention_duration = "604800s"
}

resource "google_pubsub_subscription" "dead_letter" {
  name                       = "segone-dead-letter"
  topic                      = google_pubsub_topic.dead_letter.id
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

# No dead_letter_policy: Dataflow asks again for what it has not finished, and that is no failure.
resource "google_pubsub_subscription" "signal" {
  for_each = var.signals

  name                       = "segone-${each.key}"
  topic                      = google_pubsub_topic.signal[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  retain_acked_messages      = true

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic" "output" {
  for_each = var.outputs

  name                       = "segone-${each.key}"
  message_retention_duration = "604800s"
}

# One for each consumer, in the order of a contact root's offers.
resource "google_pubsub_subscription" "output" {
  for_each = var.outputs

  name                       = "segone-${each.key}"
  topic                      = google_pubsub_topic.output[each.key].id
  ack_deadline_seconds       = 60
  enable_message_ordering    = true
  message_retention_duration = "604800s"

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter.id
    max_delivery_attempts = 5
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = ""
  }
}
