output "topics_of_signals" {
  description = "Where each type of signal is published to, as Avro of its contract."
  value       = { for name, topic in google_pubsub_topic.signal : name => topic.id }
}

output "subscriptions_of_outputs" {
  description = "Where consumers read each output."
  value       = { for name, subscription in google_pubsub_subscription.output : name => subscription.id }
}

output "dead_letter_subscription" {
  description = "What no consumer took five times."
  value       = google_pubsub_subscription.dead_letter.id
}

output "service_account" {
  description = "What the workers are."
  value       = google_service_account.worker.email
}

output "job_id" {
  description = "The job that runs; null if none does."
  value       = one(google_dataflow_flex_template_job.segone[*].job_id)
}
