//! What is asked beside the request that gives the rows: steps before it, values it is asked for, details after it, moments.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::asking::Asking;
use super::filling::try_written;
use super::names::{Names, Sort};
use super::parse::Reader;
use super::policy::zone_named;
use super::raw::{RawAlternative, RawDetails, RawEach, RawEachTable, RawField, RawStep, RawTime};
use super::words::{Period, Table};
use super::{At, Details, Each, EachValues, Format, Rules, Step, Time};

/// How many steps a source takes at most.
const STEPS: usize = 10;
/// How many values are asked for, and details, where nothing else is said.
const FAN_OUT: usize = 50;
/// How many are asked for whatever is said.
const MOST: usize = 1_000;
/// How many days are asked for at most.
const DAYS: u32 = 366;
/// How days are written where nothing else is said.
const DAY: &str = "%Y-%m-%d";

impl Reader<'_> {
    pub(super) fn steps(&mut self, raw: &[At<RawStep>], alternative: &RawAlternative, names: &mut Names) -> Option<Vec<Step>> {
        if let Some(step) = raw.get(STEPS) {
            self.error(&step.span, format!("a source takes at most {STEPS} steps"), None);
            return None;
        }
        let steps: Vec<_> = raw.iter().map(|step| self.step(step, alternative, names)).collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, raw: &At<RawStep>, alternative: &RawAlternative, names: &mut Names) -> Option<Step> {
        let At { value: raw, span } = raw;
        let ask = self.ask(&Asking::of_step(raw, alternative), names);
        let given = raw.format.as_ref().map(|at| at.value);
        let format = given.unwrap_or(Format::Text);
        // One complaint about the step says what each of its captures lacks.
        let unsaid = given.is_none() && raw.capture.0.iter().any(|(_, field)| is_placed(&field.value));
        if unsaid {
            let help = "add format = \"html\" or \"json\"; without a format captures are found by `regex` only";
            self.error(span, "this step does not say what its body is read as", Some(help));
        }
        let within = self.within(raw.script.as_ref(), raw.variable.as_ref(), Some(format).filter(|_| !unsaid));
        let captures = self.fields(&raw.capture, Some(format).filter(|_| !unsaid), names);
        self.capture_names(&raw.capture, names);
        Some(Step {
            name: raw.name.as_ref().map(|at| at.value.clone()),
            ask: ask?,
            rules: Rules { within, ..Rules::whole(format, captures?) },
        })
    }

    /// Makes captures known to what follows. Those with `_` in front are for other captures of the step.
    fn capture_names(&mut self, captures: &Table<At<RawField>>, names: &mut Names) {
        for (name, field) in captures.0.iter().filter(|(name, _)| !name.value.starts_with('_')) {
            self.new_name(name, Sort::Capture, names);
            match &field.value {
                RawField::Table(table) if table.items.is_some() || table.fields.is_some() => {
                    let help = "take one part of it, with all = true for a list";
                    self.error(&name.span, "a capture is a text or a list of texts", Some(help));
                }
                RawField::Table(table) if table.is_list() => names.add_list(&name.value),
                _ => names.add(&name.value, Sort::Capture),
            }
        }
    }

    pub(super) fn each(&mut self, raw: &At<RawEach>, names: &mut Names) -> Option<Each> {
        let (name, each) = match &raw.value {
            RawEach::Name(name) => {
                let captured = self.captured(&At { value: name.clone(), span: raw.span.clone() }, names);
                (name, captured.map(|()| Each { name: name.clone(), values: EachValues::Captured, limit: FAN_OUT }))
            }
            RawEach::Table(table) => (&table.name.value, self.each_table(table, names)),
        };
        // Known even where something is wrong with it: its places need no complaint of their own.
        names.unroll(name);
        each
    }

    fn each_table(&mut self, raw: &RawEachTable, names: &Names) -> Option<Each> {
        if let (Some(at), None) = (raw.format.as_ref().or(raw.zone.as_ref()), &raw.days) {
            self.error(&at.span, "this says how days are written, and no `days` are asked for", Some("add days = 7"));
            return None;
        }
        let (values, count) = match (&raw.values, &raw.days) {
            (Some(_), Some(days)) => {
                self.error(&days.span, "`values` and `days` both say what is asked for", Some("keep one of them"));
                return None;
            }
            (Some(values), None) => {
                self.new_name(&raw.name, Sort::Each, names);
                if values.value.is_empty() {
                    self.error(&values.span, "there is no value to ask for", Some("list at least one"));
                }
                (EachValues::Listed(values.value.clone()), values.value.len())
            }
            (None, Some(days)) => {
                self.new_name(&raw.name, Sort::Each, names);
                if !(1..=DAYS).contains(&days.value) {
                    self.error(&days.span, format!("`days` is a number from 1 to {DAYS}"), Some("today counts as the first"));
                }
                let zone = self.zone(raw.zone.as_ref())?;
                let format = self.strftime(raw.format.as_ref(), &zone)?;
                (EachValues::Days { count: days.value, format, zone }, days.value as usize)
            }
            (None, None) => {
                self.captured(&raw.name, names)?;
                (EachValues::Captured, FAN_OUT)
            }
        };
        // What is listed is meant altogether; what a page lists may be anything.
        let limit = self.fan_out(raw.limit.as_ref(), count);
        Some(Each { name: raw.name.value.clone(), values, limit })
    }

    /// Checks that a step captures a list of this name.
    fn captured(&mut self, at: &At<String>, names: &Names) -> Option<()> {
        let name = at.value.escape_debug();
        if names.is_list(&at.value) {
            return Some(());
        }
        if names.find(&at.value) == Some(Sort::Capture) {
            let help = format!("add all = true to its capture: capture.{name} = {{ path = \"…\", all = true }}");
            self.error(&at.span, format!("`{name}` is one value and no list"), Some(&help));
        } else {
            let known: Vec<&str> = names.lists().iter().map(String::as_str).collect();
            let help = crate::diagnostic::nearest(&at.value, known).map_or_else(
                || format!("write capture.{name} = {{ path = \"…\", all = true }} in a step, or give `values` or `days`"),
                |meant| format!("did you mean `{meant}`?"),
            );
            self.error(&at.span, format!("no step captures a list called `{name}`"), Some(&help));
        }
        None
    }

    fn fan_out(&mut self, limit: Option<&At<usize>>, usual: usize) -> usize {
        let Some(limit) = limit else { return usual.min(MOST) };
        if !(1..=MOST).contains(&limit.value) {
            let help = format!("it says how many requests a refresh makes; without it, {}", usual.min(MOST));
            self.error(&limit.span, format!("`limit` is a number from 1 to {MOST}"), Some(&help));
        }
        limit.value
    }

    pub(super) fn details(&mut self, raw: &At<RawDetails>, alternative: &RawAlternative, rows: &Rules, names: &Names) -> Option<Details> {
        let At { value: raw, span } = raw;
        // Items taken whole, or made by a program, have fields that only they know.
        let any = rows.fields.is_empty() || rows.transform.is_some();
        let names = names.with_fields(rows.fields.iter().map(|field| field.name.as_str()), any);
        let ask = self.ask(&Asking::of_details(raw, alternative), &names);
        let format = raw.format.value;
        let within = self.within(raw.script.as_ref(), raw.variable.as_ref(), Some(format));
        self.items_fit(raw.items.as_ref(), format);
        let fields = self.fields(&raw.fields, Some(format), &names);
        if raw.fields.0.is_empty() {
            self.error(span, "these details have no `fields`", Some("say what joins the item: fields = { summary = \"p.intro\" }"));
        }
        let whole = Rules::whole(format, fields?);
        Some(Details {
            ask: ask?,
            rules: Rules { within, items: raw.items.clone().or(whole.items), ..whole },
            limit: self.fan_out(raw.limit.as_ref(), FAN_OUT),
        })
    }

    pub(super) fn times(&mut self, raw: &Table<At<RawTime>>, names: &mut Names) -> Option<Vec<Time>> {
        let times: Vec<_> = raw.0.iter().map(|(name, time)| self.time(name, &time.value, names)).collect();
        times.into_iter().collect()
    }

    fn time(&mut self, name: &At<String>, raw: &RawTime, names: &mut Names) -> Option<Time> {
        self.new_name(name, Sort::Time, names);
        names.add(&name.value, Sort::Time);
        if let (Some(_), Some(back)) = (&raw.ahead, &raw.back) {
            self.error(&back.span, "a moment is `ahead` or `back`", Some("keep one of them"));
        }
        let zone = self.zone(raw.zone.as_ref())?;
        let format = self.strftime(raw.format.as_ref(), &zone)?;
        let seconds = |period: &Option<At<Period>>| period.as_ref().map_or(0, |at| i64::try_from(at.value.0.as_secs()).unwrap_or(i64::MAX));
        Some(Time { name: name.value.clone(), format, zone, offset: seconds(&raw.ahead).saturating_sub(seconds(&raw.back)) })
    }

    /// A time zone; UTC where none is named.
    fn zone(&mut self, zone: Option<&At<String>>) -> Option<TimeZone> {
        let Some(zone) = zone else { return Some(TimeZone::UTC) };
        self.known_zone(zone)
    }

    /// The time zone of a name.
    pub(super) fn known_zone(&mut self, zone: &At<String>) -> Option<TimeZone> {
        match zone_named(&zone.value) {
            Ok(zone) => Some(zone),
            Err(help) => {
                self.error(&zone.span, format!("there is no time zone `{}`", zone.value.escape_debug()), Some(&help));
                None
            }
        }
    }

    /// A format that moments can be written in: it is tried.
    fn strftime(&mut self, format: Option<&At<String>>, zone: &TimeZone) -> Option<String> {
        let Some(format) = format else { return Some(DAY.to_owned()) };
        match try_written(&format.value, &Timestamp::UNIX_EPOCH.to_zoned(zone.clone())) {
            Ok(text) if text.trim().is_empty() => {
                self.error(&format.span, "this format writes nothing", Some("write it as in \"%Y-%m-%d\""));
                None
            }
            Ok(_) => Some(format.value.clone()),
            Err(error) => {
                let help = "write it as in \"%Y-%m-%d\" or \"%d/%m/%Y %H:%M\"; %% is a percent sign";
                self.error(&format.span, format!("nothing can be written in this format: {error}"), Some(help));
                None
            }
        }
    }
}

/// True of a field that is looked for at a place and not by a pattern alone.
fn is_placed(field: &RawField) -> bool {
    match field {
        RawField::One(_) | RawField::Many(_) => true,
        RawField::Table(table) => table.select.is_some() || table.path.is_some() || table.items.is_some(),
    }
}
