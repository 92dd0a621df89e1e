//! What is shown meanwhile: on a terminal a live view with the news above it, elsewhere one line per change, with `--json`
//! nothing.

use crate::output::{Out, print};
use model::Millis;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Widget as _, Wrap};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};
use std::io::{Stdout, stdout};

/// Lines of the live view, its border included.
const HEIGHT: u16 = 11;

/// What the view shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    /// Which story, of how many, and its title.
    pub(crate) title: String,
    /// The service.
    pub(crate) service: String,
    /// The rollout's phase.
    pub(crate) phase: String,
    /// What it waits for.
    pub(crate) waiting: String,
    /// Blue's and green's weight.
    pub(crate) weights: (u64, u64),
    /// Answers per second, and how many of them 5XX.
    pub(crate) rates: (f64, f64),
    /// Since the push.
    pub(crate) elapsed: Millis,
    /// Posts that Slack took.
    pub(crate) slack: usize,
    /// The last notices in words, oldest first.
    pub(crate) notices: Vec<String>,
}

/// Where it is shown.
pub(crate) enum View {
    /// A terminal; in its own mode, so that an interrupt stays a signal.
    Live(Box<Live>),
    /// Lines; the last scene's phase, wait and weights.
    Lines(String),
    /// Nowhere.
    Nothing,
}

impl View {
    /// As the output is. A terminal that cannot tell where its cursor is gets lines.
    pub(crate) fn new(out: Out) -> View {
        if out.json {
            return View::Nothing;
        }
        let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
        match out.terminal.then(|| Terminal::with_options(CrosstermBackend::new(stdout()), options)) {
            Some(Ok(terminal)) => View::Live(Box::new(Live(terminal))),
            Some(Err(_)) | None => View::Lines(String::new()),
        }
    }

    /// News: a line that stays.
    pub(crate) fn tell(&mut self, text: &str) {
        match self {
            View::Live(terminal) => {
                let width = terminal.0.size().map_or(80, |size| size.width);
                // ratatui prints a wide symbol's second cell as a blank here: the symbol in front of a notice needs room.
                let lines = wrap(text, usize::from(width.saturating_sub(2)));
                let height = u16::try_from(lines.len()).unwrap_or(1);
                let paragraph = Paragraph::new(lines);
                // A view that cannot be drawn is no reason to end the demo.
                let _undrawn = terminal.0.insert_before(height, |buffer| paragraph.render(buffer.area, buffer));
            }
            View::Lines(_) => print(text),
            View::Nothing => {}
        }
    }

    /// The present state.
    pub(crate) fn show(&mut self, scene: &Scene) {
        match self {
            View::Live(terminal) => {
                let _undrawn = terminal.0.draw(|frame| draw(frame, scene));
            }
            View::Lines(last) => {
                let Scene { phase, waiting, weights: (blue, green), elapsed, rates: (rate, bad), .. } = scene;
                let state = format!("{phase} {waiting} {blue}:{green}");
                if *last != state {
                    let seconds = *elapsed as f64 / 1000.0;
                    print(&format!(
                        "{seconds:6.1} s  {phase:<11} blue {blue:>3}, green {green:>3}  {rate:4.0}/s, 5XX {bad:4.1}/s  {waiting}"
                    ));
                    *last = state;
                }
            }
            View::Nothing => {}
        }
    }

    /// Takes the live view away, so that what is printed next stands where it was.
    pub(crate) fn end(&mut self) {
        *self = View::Nothing;
    }
}

/// The terminal of the live view. Dropped, also by an interrupt, it takes the view away and shows the cursor again.
pub(crate) struct Live(Terminal<CrosstermBackend<Stdout>>);

impl Drop for Live {
    fn drop(&mut self) {
        let top = self.0.get_frame().area().as_position();
        let cleared = self.0.clear().and_then(|()| self.0.set_cursor_position(top));
        let _undrawn = cleared.and_then(|()| self.0.show_cursor());
    }
}

/// The text in lines no wider than the terminal, broken between words.
fn wrap(text: &str, width: usize) -> Vec<Line<'static>> {
    let wide = |line: &str| Line::from(line).width();
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && wide(&line) + 1 + wide(word) > width {
                lines.push(Line::from(std::mem::take(&mut line)));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(Line::from(line));
    }
    lines
}

fn draw(frame: &mut Frame<'_>, scene: &Scene) {
    let seconds = scene.elapsed as f64 / 1000.0;
    let title = format!(" {}: {} ", scene.title, scene.service).bold();
    let block = Block::bordered().title(title).title_bottom(format!(" {seconds:.1} s, {} Slack posts ", scene.slack));
    let inside = block.inner(frame.area());
    frame.render_widget(block, frame.area());
    let rows = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Min(0),
    ];
    let [phase, bar, rates, waiting, notices] = Layout::vertical(rows).areas(inside);
    frame.render_widget(Line::from(vec!["phase    ".dim(), scene.phase.clone().bold()]), phase);
    frame.render_widget(weights(scene.weights, bar), bar);
    let (rate, bad) = scene.rates;
    let style = if bad > 0.0 { Style::new().fg(Color::Red).bold() } else { Style::new() };
    let errors = Span::styled(format!("{bad:.1} 5XX/s"), style);
    frame.render_widget(Line::from(vec!["traffic  ".dim(), format!("{rate:.0} requests/s, ").into(), errors]), rates);
    let text = Line::from(vec!["waits    ".dim(), scene.waiting.clone().into()]);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), waiting);
    let room = usize::from(notices.height);
    let last =
        scene.notices[scene.notices.len().saturating_sub(room)..].iter().map(|notice| Line::from(notice.clone()));
    frame.render_widget(Paragraph::new(last.collect::<Vec<_>>()), notices);
}

/// The weights as a bar of two colours.
fn weights((blue, green): (u64, u64), area: Rect) -> Line<'static> {
    const LABELS: u16 = 9 + 22;
    let cells = u64::from(area.width.saturating_sub(LABELS).min(50));
    let filled = (blue * cells).checked_div(blue + green).unwrap_or(0);
    let bar =
        |count: u64, colour| Span::styled("█".repeat(usize::try_from(count).unwrap_or(0)), Style::new().fg(colour));
    Line::from(vec![
        "weights  ".dim(),
        bar(filled, Color::Blue),
        bar(cells - filled, Color::Green),
        format!("  blue {blue}, green {green}").into(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shares_its_length_by_weight() {
        let line = weights((90, 10), Rect::new(0, 0, 120, 1));
        let lengths: Vec<usize> = line.spans.iter().map(|span| span.content.chars().count()).collect();
        assert_eq!(lengths[1..3], [45, 5]);
        let nobody = weights((0, 0), Rect::new(0, 0, 120, 1));
        assert_eq!(nobody.spans[1].content.chars().count(), 0);
    }

    #[test]
    fn news_are_broken_between_words_and_nothing_is_lost() {
        let lines: Vec<String> = wrap("\n🔴 cart: going back", 9).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["", "🔴 cart:", "going", "back"]);
    }

    #[test]
    fn the_view_shows_phase_weights_errors_wait_and_notices() {
        let mut terminal = Terminal::new(ratatui::backend::TestBackend::new(100, HEIGHT)).unwrap();
        let scene = Scene {
            title: "2 of 3".to_owned(),
            service: "cart".to_owned(),
            phase: "baking".to_owned(),
            waiting: "the bake at 10 %".to_owned(),
            weights: (90, 10),
            rates: (150.0, 4.5),
            elapsed: 12_300,
            slack: 4,
            notices: vec!["cart: 10 % on cart:2.0.0".to_owned()],
        };
        terminal.draw(|frame| draw(frame, &scene)).unwrap();
        let text = terminal.backend().to_string();
        for part in [
            "2 of 3: cart",
            "baking",
            "blue 90, green 10",
            "4.5 5XX/s",
            "the bake at 10 %",
            "12.3 s, 4 Slack",
            "10 % on cart",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }
}
