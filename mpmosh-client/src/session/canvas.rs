//! The user's terminal as it was drawn last, and what makes it show something else.

use terminal::control::PLAIN;
use terminal::{Screen, Size, Vocabulary, diff, redraw};

#[derive(Debug)]
pub(super) struct Canvas {
    vocabulary: Vocabulary,
    /// Makes it blank, whatever it shows.
    blank: Vec<u8>,
    size: Size,
    /// The terminal is larger than a screen can be.
    exceeds: bool,
    /// What was drawn last.
    shown: Option<Screen>,
    /// It may show something else now.
    lost: bool,
}

impl Canvas {
    pub(super) fn new(vocabulary: Vocabulary, blank: Vec<u8>, size: Size) -> Self {
        let mut canvas = Self { vocabulary, blank, size, exceeds: false, shown: None, lost: true };
        canvas.resize(size);
        canvas
    }

    /// How much of the terminal is drawn on: of one that is larger than a screen can be, the upper left part.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn resize(&mut self, size: Size) {
        self.size = size.clamped();
        self.exceeds = self.size != size;
        self.lost = true;
    }

    /// The terminal can do this. Whether that is news: then all is drawn again.
    pub(super) fn set_vocabulary(&mut self, vocabulary: Vocabulary) -> bool {
        let news = self.vocabulary != vocabulary;
        self.vocabulary = vocabulary;
        self.lost |= news;
        news
    }

    /// Nothing is known any more of what the terminal shows; its modes and titles are as they were.
    pub(super) fn lose(&mut self) {
        self.lost = true;
    }

    /// The terminal is taken again, which had been left.
    pub(super) fn retake(&mut self) {
        self.shown = self.shown.take().map(|shown| shown.left(self.size));
        self.lost = true;
    }

    /// What makes the terminal show `frame`.
    pub(super) fn draw(&mut self, frame: Screen) -> Vec<u8> {
        let within = self.exceeds.then(|| self.vocabulary.within_edges());
        let vocabulary = within.as_ref().unwrap_or(&self.vocabulary);
        let bytes = match &self.shown {
            Some(shown) if !self.lost => diff(shown, &frame, vocabulary),
            Some(shown) => redraw(&self.blank, shown, &frame, vocabulary),
            None => redraw(&self.blank, &Screen::new(self.size), &frame, vocabulary),
        };
        (self.shown, self.lost) = (Some(frame), false);
        bytes
    }

    /// The last frame, where it stays on the terminal: with a line's end below what is written on it. Nothing where none
    /// was drawn.
    pub(super) fn finish(&mut self, mut frame: Screen) -> Vec<u8> {
        if self.shown.is_none() {
            return Vec::new();
        }
        frame.resize(self.size);
        let written = frame.rows().enumerate().filter(|(_, row)| !row.is_blank());
        let last = written.last().and_then(|(row, _)| u16::try_from(row).ok());
        frame.set_cursor(last.unwrap_or(0), 0);
        let mut bytes = self.draw(frame);
        bytes.extend(format!("{PLAIN}\r\n").bytes());
        self.shown = None;
        bytes
    }
}
