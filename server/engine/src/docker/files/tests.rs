//! A file comes out as it went in, and nothing else does.

use super::*;

/// An archive as an engine sends it, in pieces of this length.
fn arrives(archive: &[u8], length: usize) -> Archive {
    let pieces: Vec<Result<Bytes>> = archive.chunks(length).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Archive::new(stream::iter(pieces).boxed())
}

fn header(kind: tar::EntryType, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path("file").expect("a path");
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header.as_bytes().to_vec()
}

async fn unpacked(archive: &[u8], length: usize) -> Result<(u64, Vec<u8>)> {
    let mut archive = arrives(archive, length);
    let size = archive.first_file().await?.size;
    let pieces: Vec<Result<Bytes>> = archive.content(size).collect().await;
    let mut all = Vec::new();
    for piece in pieces {
        all.extend_from_slice(&piece?);
    }
    Ok((size, all))
}

#[tokio::test]
async fn a_file_comes_out_as_it_went_in_however_it_is_cut() {
    let content: Vec<u8> = (0..1_300_u32).map(|at| (at % 251) as u8).collect();
    let mut archive = header(tar::EntryType::Regular, content.len() as u64);
    archive.extend_from_slice(&content);
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    for length in [1, 7, 511, 512, 513, 100_000] {
        assert_eq!(unpacked(&archive, length).await.expect("unpacked"), (1_300, content.clone()), "in pieces of {length}");
    }
    let cut = unpacked(&archive[..BLOCK + 700], 64).await.expect_err("it is not whole");
    assert_eq!(cut.kind, Kind::Unreachable);
}

#[tokio::test]
async fn a_size_beyond_a_plain_header_is_told_before_it() {
    // A value may hold line ends and blanks, as those of extended attributes do.
    let records = b"31 SCHILY.xattr.user.a=x\n size\n12 size=700\n";
    assert_eq!(records[..31].last(), Some(&b'\n'), "as long as it says");
    let mut archive = header(tar::EntryType::XHeader, records.len() as u64);
    archive.extend_from_slice(records);
    archive.resize(2 * BLOCK, 0);
    archive.extend(header(tar::EntryType::Regular, 3));
    archive.extend([7; 1024]);
    assert_eq!(unpacked(&archive, 100).await.expect("unpacked"), (700, vec![7; 700]));
}

#[tokio::test]
async fn a_time_before_the_epoch_or_with_a_fraction_is_told_before_it() {
    for (records, second) in [("16 mtime=-1.250\n", -2), ("12 mtime=-5\n", -5), ("19 mtime=1795166.9\n", 1_795_166), ("9 size=2\n", 7)] {
        let mut archive = header(tar::EntryType::XHeader, records.len() as u64);
        archive.extend_from_slice(records.as_bytes());
        archive.resize(2 * BLOCK, 0);
        let mut file = tar::Header::new_ustar();
        file.set_path("file").expect("a path");
        file.set_size(2);
        file.set_mtime(7);
        file.set_mode(0o100_640);
        file.set_cksum();
        archive.extend_from_slice(file.as_bytes());
        let read = arrives(&archive, 100).first_file().await.expect("a file");
        assert_eq!(read, Header { size: 2, mode: 0o640, modified: Some(second) }, "{records}");
    }
}

#[test]
fn what_was_opened_is_what_was_looked_at_before_and_after() {
    let at = |size: i64, modified: &str| End { path: "/a/b".into(), mode: 0o644, size, modified: Some(modified.into()) };
    let file = at(5, "2026-11-20T09:30:00.750Z");
    let sent = |size: u64, mode: u32, modified: i64| Header { size, mode, modified: Some(modified) };
    let second = file.second().expect("a time");
    assert!(sent(5, 0o644, second).is_between(&file, &file));
    assert!(!sent(6, 0o644, second).is_between(&file, &file), "nobody wrote to it, and it has another size");
    assert!(!sent(5, 0o600, second).is_between(&file, &file), "another mode");
    assert!(!sent(5, 0o644, 1).is_between(&file, &file), "another time");
    assert!(!sent(5, 0o644, second).is_between(&file, &End { path: "/a/c".into(), ..at(5, "2026-11-20T09:30:00.750Z") }), "it leads elsewhere");
    let longer = at(9, "2026-11-20T09:30:02.100Z");
    assert!(sent(7, 0o644, second + 1).is_between(&file, &longer), "a file that is written to has a size between");
    assert!(!sent(7, 0o644, 1).is_between(&file, &longer) && !sent(7, 0o644, second + 4).is_between(&file, &longer));
}

#[tokio::test]
async fn what_is_no_file_is_none() {
    for kind in [tar::EntryType::Directory, tar::EntryType::Symlink, tar::EntryType::Fifo, tar::EntryType::Char, tar::EntryType::Link] {
        assert_eq!(unpacked(&header(kind, 0), 512).await.expect_err("refused").kind, Kind::NotAFile, "{kind:?}");
    }
    assert!(unpacked(&[0; 1024], 512).await.is_err(), "an archive of nothing");
    assert!(unpacked(&header(tar::EntryType::XHeader, u64::from(u32::MAX)), 512).await.is_err(), "an endless record");
}

#[test]
fn what_a_thing_is_is_told_by_its_mode() {
    assert_eq!(other_than_file(0o4755 & PERMISSIONS), None);
    for (mode, said) in [(2_147_484_141, "a folder"), (134_218_239, "a link"), (33_554_852, "a pipe"), (69_206_436, "a device")] {
        assert!(other_than_file(mode).expect("no file").starts_with(said), "{mode}");
    }
}

#[test]
fn a_folder_holds_what_is_below_it_and_nothing_else() {
    let end = |path: &str| End { path: path.into(), ..End::root() };
    assert!(end("/run/slipway/secrets").is_in("/run/slipway/secrets") && end("/run/slipway/secrets/0").is_in("/run/slipway/secrets"));
    assert!(!end("/run/slipway/secrets-of-mine").is_in("/run/slipway/secrets") && !end("/run/slipway").is_in("/run/slipway/secrets"));
}

#[test]
fn a_path_is_one_value_of_a_query() {
    assert_eq!(escaped("/a b/ü&x=1#.txt"), "/a%20b/%C3%BC%26x%3D1%23.txt");
}
