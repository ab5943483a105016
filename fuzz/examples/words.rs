fn main() {
    for (t, f) in [
        ("parsers", nat_fuzz::parsers::run as fn(&[u8]) -> Vec<String>),
        ("packet", nat_fuzz::packet::run),
        ("operations", nat_fuzz::operations::run),
        ("frames", nat_fuzz::frames::run),
    ] {
        println!("== {t}");
        let mut v: Vec<_> = std::fs::read_dir(format!("seeds/{t}")).unwrap().map(|e| e.unwrap().path()).collect();
        v.sort();
        for p in v {
            let d = std::fs::read(&p).unwrap();
            let w = std::panic::catch_unwind(|| f(&d));
            println!(
                "    (\"{}\", &{:?}),",
                p.file_stem().unwrap().to_str().unwrap(),
                w.unwrap_or(vec!["PANIC".into()])
            );
        }
    }
}
