//! Names of months, days and zones, in small letters: English, Indonesian, German, French, Spanish, Dutch, Italian; full and short.

use jiff::civil::Weekday;
use jiff::tz::Offset;

const MONTHS: [&str; 12] = [
    "january jan januari januar jänner jän janvier janv enero ene gennaio gen",
    "february feb februari pebruari peb februar feber februari février fevrier févr fevr fév febrero febbraio febb",
    "march mar maret märz maerz mär mrz mars marzo maart mrt",
    "april apr avril avr abril abr aprile",
    "may mei mai mayo maggio mag",
    "june jun juni juin junio giugno giu",
    "july jul juli juillet juil julio luglio lug",
    "august aug agustus agu agt ags août aout aoû agosto ago augustus",
    "september sep sept septembre septiembre setiembre settembre set",
    "october oct oktober okt octobre octubre ottobre ott",
    "november nov nopember nop novembre noviembre novembre",
    "december dec desember des dezember dez décembre decembre déc diciembre dic dicembre",
];

const WEEKDAYS: [&str; 7] = [
    "monday mon senin sen montag mo lundi lun lunes maandag ma lunedì lunedi",
    "tuesday tue tues selasa sel dienstag di mardi mar martes dinsdag martedì martedi",
    "wednesday wed weds rabu rab mittwoch mi mercredi mer miércoles miercoles mié mie woensdag wo mercoledì mercoledi",
    "thursday thu thur thurs kamis kam donnerstag do jeudi jeu jueves jue donderdag giovedì giovedi gio",
    "friday fri jumat jum'at jum freitag fr vendredi ven viernes vie vrijdag vr venerdì venerdi",
    "saturday sat sabtu sab samstag sonnabend sa samedi sam sábado sabado sáb zaterdag za sabato",
    "sunday sun minggu min ahad sonntag so dimanche dim domingo dom zondag zo domenica",
];

/// Names whose hour is everywhere the same, or by RFC 2822.
const ZONES: [(&str, i8); 20] = [
    ("z", 0),
    ("utc", 0),
    ("gmt", 0),
    ("ut", 0),
    ("bst", 1),
    ("cet", 1),
    ("cest", 2),
    ("eet", 2),
    ("eest", 3),
    ("wib", 7),
    ("wita", 8),
    ("sgt", 8),
    ("wit", 9),
    ("jst", 9),
    ("est", -5),
    ("edt", -4),
    ("cst", -6),
    ("cdt", -5),
    ("pst", -8),
    ("pdt", -7),
];

/// The month of a name in small letters, from 1.
pub(super) fn month(word: &str) -> Option<i8> {
    index(&MONTHS, word).and_then(|index| i8::try_from(index + 1).ok())
}

/// The day of a name in small letters.
pub(super) fn weekday(word: &str) -> Option<Weekday> {
    index(&WEEKDAYS, word).and_then(|index| Weekday::from_monday_zero_offset(i8::try_from(index).ok()?).ok())
}

/// The offset that a zone's name in small letters stands for.
pub(super) fn zone(word: &str) -> Option<Offset> {
    ZONES.iter().find(|(name, _)| *name == word).map(|(_, hours)| Offset::constant(*hours))
}

/// How many days after today a word in small letters means.
pub(super) fn relative(word: &str) -> Option<i8> {
    match word {
        "today" | "tonight" | "heute" | "hoy" | "oggi" | "vandaag" => Some(0),
        "tomorrow" | "besok" | "morgen" | "demain" | "mañana" | "domani" => Some(1),
        "yesterday" | "kemarin" | "gestern" | "hier" | "ayer" | "ieri" | "gisteren" => Some(-1),
        _ => None,
    }
}

/// True of words that stand between the parts of a date and say nothing.
pub(super) fn is_filler(word: &str) -> bool {
    const FILLERS: &str =
        "on at the of from de del el las le à a il den der am um uhr om uur op pukul pkl jam tanggal tgl hari kl ore alle";
    FILLERS.split(' ').any(|known| known == word)
}

fn index(names: &[&str], word: &str) -> Option<usize> {
    names.iter().position(|names| names.split(' ').any(|name| name == word))
}
