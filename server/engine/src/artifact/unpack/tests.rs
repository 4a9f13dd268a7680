use std::io::Write as _;

use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::artifact::Floor;

const LIMITS: Limits = Limits { artifact: 1 << 20, kept: 1 << 20, unpacked: 1 << 20, entries: 50, floor: Floor { bytes: 0, parts: 1 } };

fn of(bytes: &[u8], url: &str, path: &str) -> Result<Vec<u8>, Wrong> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    let artifact = Artifact { url: format!("https://a.example/{url}"), sha256: String::new(), path: path.into() };
    let mut packed = Vec::new();
    into(file, &artifact, &LIMITS, &mut packed).map(|()| packed)
}

/// Path, mode, content or target of all that would be unpacked.
fn names(packed: &[u8]) -> Vec<(String, u32, String)> {
    let mut archive = tar::Archive::new(packed);
    let entries = archive.entries().expect("an archive").map(|entry| {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").display().to_string();
        let mut content = entry.link_name().expect("readable").map(|to| format!("-> {}", to.display())).unwrap_or_default();
        entry.read_to_string(&mut content).expect("text");
        (path, entry.header().mode().expect("a mode"), content)
    });
    entries.collect()
}

fn tarred(entries: &[(tar::EntryType, &str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o640);
        // Past the checks of whoever writes archives.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let link = matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link);
        if link {
            header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
        }
        let content = if link { "" } else { content };
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).expect("written");
    }
    archive.into_inner().expect("written")
}

use tar::EntryType::{Char, Directory, Link, Regular, Symlink};

fn message(result: Result<Vec<u8>, Wrong>) -> String {
    match result.expect_err("refused") {
        Wrong::Artifact(message) => message,
        Wrong::Cut => "cut".into(),
    }
}

#[test]
fn a_tar_is_unpacked_below_the_path_and_everyone_can_read_it() {
    let whole = tarred(&[
        (Directory, "./", ""),
        (Directory, "./lib/", ""),
        (Regular, "./lib/a.txt", "one"),
        (Symlink, "current", "lib"),
        (Link, "b.txt", "lib/a.txt"),
    ]);
    let wanted =
        [("app/lib/", 0o755, ""), ("app/lib/a.txt", 0o644, "one"), ("app/current", 0o777, "-> lib"), ("app/b.txt", 0o644, "-> app/lib/a.txt")]
            .map(|(path, mode, content)| (path.to_owned(), mode, content.to_owned()));
    assert_eq!(names(&of(&whole, "app.tar", "/app").expect("packed")), wanted);
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&whole).expect("written");
    assert_eq!(names(&of(&gzip.finish().expect("written"), "app.tar.gz?token=x", "/app/").expect("packed")), wanted);
}

#[test]
fn a_zip_is_unpacked_and_a_jar_is_a_file() {
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.add_directory("web/", options).expect("written");
    writer.start_file("web/index.html", options.unix_permissions(0o600)).expect("begun");
    writer.write_all(b"hello").expect("written");
    writer.start_file("run.sh", options.unix_permissions(0o700)).expect("begun");
    let whole = writer.finish().expect("written").into_inner();
    let seen = names(&of(&whole, "site.zip", "/srv").expect("packed"));
    assert_eq!(seen[1], ("srv/web/index.html".into(), 0o644, "hello".into()));
    assert_eq!(seen[2], ("srv/run.sh".into(), 0o755, String::new()));
    let jar = tar::Archive::new(&of(&whole, "app.jar", "/srv/app.jar").expect("packed")[..]).entries().expect("an archive").count();
    assert_eq!(jar, 1);
}

#[test]
fn anything_else_is_a_file_and_a_program_can_be_run() {
    assert_eq!(names(&of(b"x", "a/data.bin", "/opt/").expect("packed")), [("opt/data.bin".into(), 0o644, "x".into())]);
    assert_eq!(names(&of(b"#!/bin/sh", "a/tool", "/opt/tool").expect("packed")), [("opt/tool".into(), 0o755, "#!/bin/sh".into())]);
    assert_eq!(names(&of(b"", "a/none", "/opt/none").expect("packed")).len(), 1);
}

#[test]
fn nothing_leaves_its_folder() {
    for (entries, why) in [
        (vec![(Regular, "../x", "")], "outside"),
        (vec![(Regular, "a/../../x", "")], "outside"),
        (vec![(Regular, "/etc/passwd", "")], "outside"),
        (vec![(Symlink, "a", "/etc"), (Regular, "a/passwd", "")], "link of its own"),
        (vec![(Symlink, "a", "/etc"), (Link, "b", "a")], "another name for a link"),
        (vec![(Symlink, "a", "/etc"), (Directory, "a/", "")], "folder and a link"),
        (vec![(Link, "b", "../../etc/shadow")], "outside"),
        (vec![(Char, "null", "")], "device"),
    ] {
        let told = message(of(&tarred(&entries), "a.tar", "/app"));
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let many: Vec<_> = (0..60).map(|_| (Regular, "x", "")).collect();
    assert!(message(of(&tarred(&many), "a.tar", "/app")).contains("too many"));
    let mut header = tar::Header::new_gnu();
    header.set_size(1 << 40);
    header.set_cksum();
    assert!(message(of(header.as_bytes(), "a.tar", "/app")).contains("larger"));
    assert!(message(of(&long_name(), "a.tar", "/app")).contains("too long"));
    // Who reads headers by themselves would take the long name for content: attributes may say another size than the header.
    let mut attributes = tar::Header::new_ustar();
    attributes.set_entry_type(tar::EntryType::XHeader);
    attributes.set_size(9);
    attributes.set_cksum();
    let mut told = tar::Header::new_gnu();
    told.set_entry_type(Regular);
    told.set_mode(0o644);
    told.set_size(1 << 40);
    told.set_cksum();
    let mut text = b"9 size=0\n".to_vec();
    text.resize(512, 0);
    let whole = [attributes.as_bytes(), &text[..], told.as_bytes(), &long_name()].concat();
    assert!(message(of(&whole, "a.tar", "/app")).contains("too long"));
    let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    for at in 0..60 {
        writer.start_file(format!("{at}"), zip::write::SimpleFileOptions::default()).expect("begun");
    }
    let many = writer.finish().expect("written").into_inner();
    assert!(message(of(&many, "a.zip", "/app")).contains("at most 50"));
}

/// A header that says that gigabytes of a name follow, and some of them.
fn long_name() -> Vec<u8> {
    let mut long = tar::Header::new_gnu();
    long.set_entry_type(tar::EntryType::GNULongName);
    long.set_size(1 << 33);
    long.set_cksum();
    [long.as_bytes().to_vec(), vec![b'x'; 8 << 20]].concat()
}

#[test]
fn what_is_cut_is_told() {
    let whole = tarred(&[(Regular, "a", "0123456789")]);
    assert!(matches!(of(&whole[..515], "a.tar", "/app"), Err(Wrong::Artifact(_))));
    assert!(matches!(of(b"no gzip", "a.tgz", "/app"), Err(Wrong::Artifact(_))));
    assert!(matches!(of(b"no zip", "a.zip", "/app"), Err(Wrong::Artifact(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_stays_below_the_path(bytes in proptest::collection::vec(any::<u8>(), 0..2000), name in "[./a-c]{1,12}", target in "[./a-c]{1,12}") {
        for url in ["x.tar", "x.tgz", "x.zip", "x"] {
            let _ = of(&bytes, url, "/app");
        }
        if let Ok(packed) = of(&tarred(&[(Symlink, &name, &target), (Regular, &target, "x"), (Link, &name, &target)]), "x.tar", "/app") {
            for (path, ..) in names(&packed) {
                prop_assert!(path.starts_with("app/") && path.split('/').all(|part| part != ".."), "{path}");
            }
        }
    }
}
