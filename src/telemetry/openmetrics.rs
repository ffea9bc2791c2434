//! Families as OpenMetrics 1.0.0: the `prometheus` crate writes the text format only.

use std::fmt::{self, Write};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

pub(super) fn encode(families: &[MetricFamily]) -> String {
    let mut out = String::new();
    for family in families {
        // Writing to a String does not fail.
        let _ = write_family(&mut out, family);
    }
    out.push_str("# EOF\n");
    out
}

fn write_family(out: &mut String, family: &MetricFamily) -> fmt::Result {
    let kind = family.get_field_type();
    // The family of a counter is named without the suffix that its sample must have.
    let name = match kind {
        MetricType::COUNTER => family.name().strip_suffix("_total").unwrap_or(family.name()),
        _ => family.name(),
    };
    writeln!(out, "# TYPE {name} {}", word(kind))?;
    writeln!(out, "# HELP {name} {}", Escaped(family.help()))?;
    for metric in family.get_metric() {
        write_metric(out, name, kind, metric)?;
    }
    Ok(())
}

fn write_metric(out: &mut String, name: &str, kind: MetricType, metric: &Metric) -> fmt::Result {
    let labels = metric.get_label();
    match kind {
        MetricType::COUNTER => write_sample(out, name, "_total", labels, None, metric.get_counter().get_value()),
        MetricType::HISTOGRAM => write_histogram(out, name, metric),
        _ => write_sample(out, name, "", labels, None, metric.get_gauge().get_value()),
    }
}

fn write_histogram(out: &mut String, name: &str, metric: &Metric) -> fmt::Result {
    let (labels, histogram) = (metric.get_label(), metric.get_histogram());
    for bucket in histogram.get_bucket() {
        let count = bucket.cumulative_count() as f64;
        write_sample(out, name, "_bucket", labels, Some(bucket.upper_bound()), count)?;
    }
    let count = histogram.get_sample_count() as f64;
    write_sample(out, name, "_bucket", labels, Some(f64::INFINITY), count)?;
    write_sample(out, name, "_sum", labels, None, histogram.get_sample_sum())?;
    write_sample(out, name, "_count", labels, None, count)
}

fn write_sample(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[LabelPair],
    le: Option<f64>,
    value: f64,
) -> fmt::Result {
    write!(out, "{name}{suffix}")?;
    let mut separator = '{';
    for label in labels {
        write!(out, "{separator}{}=\"{}\"", label.name(), Escaped(label.value()))?;
        separator = ',';
    }
    if let Some(le) = le {
        write!(out, "{separator}le=\"{}\"", Number(le))?;
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    writeln!(out, " {value}")
}

const fn word(kind: MetricType) -> &'static str {
    match kind {
        MetricType::COUNTER => "counter",
        MetricType::HISTOGRAM => "histogram",
        MetricType::GAUGE => "gauge",
        // Not among the guard's own metrics.
        MetricType::SUMMARY | MetricType::UNTYPED => "unknown",
    }
}

/// A boundary in OpenMetrics' canonical form: with a point.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == f64::INFINITY { f.write_str("+Inf") } else { write!(f, "{:?}", self.0) }
    }
}

/// OpenMetrics escapes the same three characters in help texts and label values.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
