fn main() {
    let a: Vec<_> = std::env::args().collect();
    let d = std::fs::read(&a[2]).unwrap();
    let f: fn(&[u8]) -> Vec<String> = match a[1].as_str() {
        "operations" => nat_fuzz::operations::run,
        "differential" => nat_fuzz::differential::run,
        "packet" => nat_fuzz::packet::run,
        "frames" => nat_fuzz::frames::run,
        _ => nat_fuzz::parsers::run,
    };
    println!("{:?}", f(&d));
}
