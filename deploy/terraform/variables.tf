variable "project" {
  description = "The project that all is made in."
  type        = string
}

variable "region" {
  description = "Where the job runs, as europe-north1."
  type        = string
}

variable "image" {
  description = "The image of the target `dataflow` of deploy/Dockerfile, with its tag or digest."
  type        = string

  validation {
    condition     = can(regex("(:[^:/]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "Name the image with a tag that stays, or its digest: `latest` may become another."
  }
}

variable "repository" {
  description = "The repository of Artifact Registry, in the region, that has the image."
  type        = string
}

variable "template" {
  description = "Where `gcloud dataflow flex-template build` wrote the template: gs://BUCKET/templates/segone-VERSION.json."
  type        = string

  validation {
    condition     = startswith(var.template, "gs://")
    error_message = "Give a file in Cloud Storage, as gs://BUCKET/templates/segone-0.1.0.json."
  }
}

variable "bucket" {
  description = "A bucket that is there already, for playbooks, snapshots, outputs and what Dataflow keeps for a while."
  type        = string
}

variable "playbooks" {
  description = "The playbook, or the directory of its versions, within the bucket."
  type        = string
  default     = "playbooks"
}

variable "signals" {
  description = "The types of signals that come by topics; each is a contract in schemas/avro."
  type        = set(string)
  default     = ["balance", "consent", "contact", "control", "erasure", "order", "outcome", "profile", "usage"]
}

variable "outputs" {
  description = "The outputs that are published to topics."
  type        = set(string)
  default     = ["decisions", "offers", "receipts", "rejected"]
}

variable "tables" {
  description = "The outputs that go to tables of BigQuery; none of them is published to a topic, too."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setintersection(var.tables, var.outputs)) == 0
    error_message = "An output goes to a topic or to a table: leave it out of outputs or of tables."
  }
}

variable "mode" {
  description = "What the offers are for: live, or shadow, to make them and send none."
  type        = string
  default     = "shadow"
}

variable "shards" {
  description = "Parts that subjects are spread over: as many as there are cores."
  type        = number
  default     = 4
}

variable "machine_type" {
  description = "Of a worker."
  type        = string
  default     = "n2-standard-4"
}

variable "max_workers" {
  description = "More than these Dataflow does not start."
  type        = number
  default     = 4
}

variable "subnetwork" {
  description = "Where workers run, regions/REGION/subnetworks/NAME; null for the default network. They have no public addresses."
  type        = string
  default     = null
}

variable "pseudonym_key_secret" {
  description = "The name of the secret that holds SEGONE_PSEUDONYM_KEY; it is there already, and the image was built with its name."
  type        = string
}

variable "cuts" {
  description = "Whether our own reader reads and cuts of the state go to the bucket, so that another job can begin with them; with false Dataflow reads by itself, and the state is in the job alone."
  type        = bool
  default     = true
}

variable "resume" {
  description = "Whether to begin with the newest cut in the bucket: of a job before, with `cuts`, or of a backfill."
  type        = bool
  default     = false
}

variable "run_job" {
  description = "Whether the job runs; with false topics, subscriptions and all that waits in them stay, and the job is cancelled."
  type        = bool
  default     = true
}

variable "notification_channels" {
  description = "Who is told by alerts: names of notification channels."
  type        = list(string)
  default     = []
}

variable "most_lag_seconds" {
  description = "A watermark older than this raises an alert."
  type        = number
  default     = 900
}

variable "most_rejected_a_second" {
  description = "More rejected signals than these, over ten minutes, raise an alert."
  type        = number
  default     = 10
}

variable "longest_without_offers" {
  description = "So long without an offer raises an alert."
  type        = string
  default     = "7200s"
}
