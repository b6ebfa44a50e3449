//! Sizes for people.

/// `bytes` in the decimal units that registries and Docker show: `1.8 GB`, `512 B`.
pub fn human(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let power = (bytes.max(1).ilog10() / 3) as usize;
    match power {
        0 => format!("{bytes} B"),
        _ => format!("{:.1} {}", bytes as f64 / 1000f64.powi(power as i32), units[power]),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_have_decimal_units() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_770_000_000, "1.8 GB"), (u64::MAX, "18.4 EB")]
        {
            assert_eq!(super::human(bytes), text);
        }
    }
}
