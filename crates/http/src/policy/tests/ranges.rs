//! Ranges out of a stored response: RFC 9110 §14.

use super::*;

/// Clause, request, stored fields, length, answer.
pub(super) const ROWS: &[[&str; 5]] = &[
    ["§14.1.2", "", "", "100", "whole"],
    ["§14.1.2", "Range: bytes=0-9", "", "100", "0..10"],
    ["§14.1.2", "Range: bytes=0-0", "", "100", "0..1"],
    ["§14.1.2", "Range: bytes=10-", "", "100", "10..100"],
    ["§14.1.2", "Range: bytes=99-", "", "100", "99..100"],
    ["§14.1.2", "Range: bytes=0-99", "", "100", "0..100"],
    ["§14.1.2", "Range: bytes=0-100", "", "100", "0..100"],
    [
        "§14.1.2",
        "Range: bytes=50-99999999999999999999999",
        "",
        "100",
        "50..100",
    ],
    ["§14.1.2", "Range: bytes=-10", "", "100", "90..100"],
    ["§14.1.2", "Range: bytes=-100", "", "100", "0..100"],
    ["§14.1.2", "Range: bytes=-1000", "", "100", "0..100"],
    ["§14.1.2", "Range: bytes=-99999999999999999999999", "", "100", "0..100"],
    // Nothing of what there is.
    ["§14.1.2", "Range: bytes=100-", "", "100", "unsatisfiable"],
    ["§14.1.2", "Range: bytes=100-200", "", "100", "unsatisfiable"],
    [
        "§14.1.2",
        "Range: bytes=99999999999999999999999-",
        "",
        "100",
        "unsatisfiable",
    ],
    ["§14.1.2", "Range: bytes=-0", "", "100", "unsatisfiable"],
    ["§14.1.2", "Range: bytes=0-", "", "0", "unsatisfiable"],
    ["§14.1.2", "Range: bytes=-5", "", "0", "whole"],
    // What cannot be read, other units and several ranges are ignored.
    ["§14.2", "Range: bytes=9-0", "", "100", "whole"],
    ["§14.2", "Range: bytes=", "", "100", "whole"],
    ["§14.2", "Range: bytes=-", "", "100", "whole"],
    ["§14.2", "Range: bytes", "", "100", "whole"],
    ["§14.2", "Range: bytes 0-9", "", "100", "whole"],
    ["§14.2", "Range: bytes=a-9", "", "100", "whole"],
    ["§14.2", "Range: bytes=0-9x", "", "100", "whole"],
    ["§14.2", "Range: bytes=+0-9", "", "100", "whole"],
    ["§14.2", "Range: bytes=0 - 9", "", "100", "whole"],
    ["§14.2", "Range: bytes=--9", "", "100", "whole"],
    ["§14.2", "Range: lines=0-9", "", "100", "whole"],
    ["§14.2", "Range: bytes=0-9,x", "", "9000", "whole"],
    ["§14.2", "Range: bytes=,", "", "9000", "whole"],
    // Several ranges, in the order in which they were asked for.
    [
        "§15.3.7.2",
        "Range: bytes=0-9,2000-2999",
        "",
        "9000",
        "0..10 2000..3000",
    ],
    [
        "§15.3.7.2",
        "Range: bytes=2000-2999 , ,0-9",
        "",
        "9000",
        "2000..3000 0..10",
    ],
    ["§15.3.7.2", "Range: bytes=0-0,-1", "", "9000", "0..1 8999..9000"],
    // What overlaps or lies close together becomes one.
    ["§15.3.7.2", "Range: bytes=0-9,5-19", "", "9000", "0..20"],
    ["§15.3.7.2", "Range: bytes=0-9,10-19", "", "9000", "0..20"],
    ["§15.3.7.2", "Range: bytes=0-9,50-59", "", "9000", "0..60"],
    ["§15.3.7.2", "Range: bytes=0-9,4000-4009,5-4005", "", "9000", "0..4010"],
    // What is not there is left out; nothing at all is 416.
    ["§14.1.2", "Range: bytes=0-9,9000-", "", "9000", "0..10"],
    ["§14.1.2", "Range: bytes=9000-,9500-9600", "", "9000", "unsatisfiable"],
    // Work for its own sake gets the whole.
    ["§14.2", "Range: bytes=0-,0-,0-,0-", "", "9000", "whole"],
    ["§17.15", "Range: bytes=0-4000,4100-8999", "", "9000", "whole"],
    [
        "§17.15",
        "Range: bytes=0-0,200-200,400-400,600-600,800-800,1000-1000,1200-1200,1400-1400,1600-1600,1800-1800,2000-2000,\
         2200-2200,2400-2400,2600-2600,2800-2800,3000-3000,3200-3200,3400-3400,3600-3600,3800-3800,4000-4000,4200-4200,\
         4400-4400,4600-4600,4800-4800,5000-5000,5200-5200,5400-5400,5600-5600,5800-5800,6000-6000,6200-6200,6400-6400",
        "",
        "900000",
        "whole",
    ],
    ["§14.2", "Range: bytes=0-9 | Range: bytes=20-29", "", "100", "whole"],
    ["§14.1", "Range: BYTES=0-9", "", "100", "0..10"],
    // RFC 9110 §13.1.5: If-Range, by strong comparison.
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: \"a\"",
        "ETag: \"a\"",
        "100",
        "0..10",
    ],
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: \"b\"",
        "ETag: \"a\"",
        "100",
        "whole",
    ],
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: W/\"a\"",
        "ETag: \"a\"",
        "100",
        "whole",
    ],
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: W/\"a\"",
        "ETag: W/\"a\"",
        "100",
        "whole",
    ],
    ["§13.1.5", "Range: bytes=0-9 | If-Range: \"a\"", "", "100", "whole"],
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: \"a\" | If-Range: \"a\"",
        "ETag: \"a\"",
        "100",
        "whole",
    ],
    [
        "§13.1.5",
        "Range: bytes=200- | If-Range: \"b\"",
        "ETag: \"a\"",
        "100",
        "whole",
    ],
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: Thu, 01 Jan 2015 00:00:00 GMT",
        "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "100",
        "0..10",
    ],
    [
        "§13.1.5",
        "Range: bytes=0-9 | If-Range: Fri, 02 Jan 2015 00:00:00 GMT",
        "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "100",
        "whole",
    ],
    // RFC 9110 §8.8.2.2: changed within the second in which it was sent, a date says nothing for sure.
    [
        "§8.8.2.2",
        "Range: bytes=0-9 | If-Range: Thu, 01 Jan 2026 00:00:00 GMT",
        "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT | Date: Thu, 01 Jan 2026 00:00:00 GMT",
        "100",
        "whole",
    ],
    [
        "§8.8.2.2",
        "Range: bytes=0-9 | If-Range: x",
        "Last-Modified: x | Date: y",
        "100",
        "whole",
    ],
];

#[test]
fn which_part_a_request_gets() {
    check(ROWS, |[_, request, stored, length, _]| {
        match select_range(&fields(request), &fields(stored), length.parse().unwrap()) {
            RangeAnswer::Whole => "whole".to_owned(),
            RangeAnswer::Unsatisfiable => "unsatisfiable".to_owned(),
            RangeAnswer::Parts(parts) => {
                let parts = parts.iter().map(|part| format!("{}..{}", part.start, part.end));
                parts.collect::<Vec<_>>().join(" ")
            }
        }
    });
}
