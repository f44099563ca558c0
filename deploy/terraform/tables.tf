# The columns are those of `segone schema tables`; new ones are added at the end, and a table keeps what it has.
resource "google_bigquery_dataset" "segone" {
  count = length(var.tables) > 0 ? 1 : 0

  dataset_id = "segone"
  location   = var.region
}

resource "google_bigquery_table" "output" {
  for_each = var.tables

  dataset_id          = google_bigquery_dataset.segone[0].dataset_id
  table_id            = each.key
  schema              = jsonencode(jsondecode(file("${path.module}/tables.json"))[each.key])
  deletion_protection = true

  time_partitioning {
    type = "DAY"
  }
}
