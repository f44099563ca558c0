locals {
  job    = "resource.type = \"dataflow_job\" AND resource.labels.job_name = \"segone\""
  topics = "resource.type = \"pubsub_topic\" AND metric.type = \"pubsub.googleapis.com/topic/send_message_operation_count\" AND resource.labels.topic_id = \""
}

resource "google_monitoring_alert_policy" "lag" {
  display_name          = "segone: the watermark lags"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "Data watermark older than ${var.most_lag_seconds} s"

    condition_threshold {
      filter          = "${local.job} AND metric.type = \"dataflow.googleapis.com/job/data_watermark_age\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.most_lag_seconds
      duration        = "300s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Decisions are late by the lag. A partition that holds back: segone_streams_left_out_total, segone_streams_watermark_lag_seconds. A backlog: deploy/README.md, “When it lags”."
  }
}

resource "google_monitoring_alert_policy" "rejected" {
  display_name          = "segone: a flood of rejected signals"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "More than ${var.most_rejected_a_second} a second go to segone-rejected"

    condition_threshold {
      filter          = "${local.topics}${google_pubsub_topic.output["rejected"].name}\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.most_rejected_a_second
      duration        = "600s"

      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_RATE"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "The topic segone-rejected says why, by record: a source has changed, or a clock. Mend sources.yaml, publish the records again: what counted counts once."
  }
}

resource "google_monitoring_alert_policy" "silent" {
  display_name          = "segone: no offers"
  combiner              = "OR"
  notification_channels = var.notification_channels

  conditions {
    display_name = "Nothing was published to segone-offers for ${var.longest_without_offers}"

    condition_absent {
      filter   = "${local.topics}${google_pubsub_topic.output["offers"].name}\""
      duration = var.longest_without_offers

      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_DELTA"
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "Signals stopped, a gate stops all, or the job is gone. See the lag first, then the decisions by action."
  }
}
