//! Rectangular areas (DEC STD 070; the VT420's): fill, erase, copy. None of them moves the cursor, and none knows of
//! margins but under DECOM, when places are counted from them and what is beyond them is left alone.

use super::machine::Machine;
use super::margins::Margins;
use alloc::rc::Rc;

impl Machine {
    /// The area that top, left, bottom and right name; absent or 0 is the edge.
    fn area(&self, params: &[u16]) -> Option<Margins> {
        let frame = self.frame();
        let at = |index: usize| params.get(index).copied().filter(|&place| place > 0);
        let place = |index: usize, first: u16, last: u16| {
            at(index).map(|place| first.saturating_add(place - 1)).unwrap_or(last)
        };
        let area = Margins {
            top: place(0, frame.top, frame.top),
            left: place(1, frame.left, frame.left),
            bottom: place(2, frame.top, frame.bottom).min(frame.bottom),
            right: place(3, frame.left, frame.right).min(frame.right),
        };
        (area.top <= area.bottom && area.left <= area.right).then_some(area)
    }

    /// DECFRA: with one character, by its code in ASCII or Latin-1.
    pub(super) fn fill_rectangle(&mut self, code: u16, params: &[u16]) {
        let Some(area) = self.area(params) else { return };
        self.work(area.rows().len(), self.columns());
        let Ok(code @ (0x20..=0x7e | 0xa0..=0xff)) = u8::try_from(code) else { return };
        let cell = self.template(char::from(code), 1);
        for row in &mut self.screen.rows[area.rows()] {
            Rc::make_mut(row).fill(area.columns(), &cell);
        }
    }

    /// DECERA, or DECSERA (`selective`).
    pub(super) fn erase_rectangle(&mut self, params: &[u16], selective: bool) {
        let Some(area) = self.area(params) else { return };
        for row in area.top..=area.bottom {
            self.erase_in(row, area.columns(), selective);
        }
    }

    /// DECCRA: there is one page, whatever its number.
    pub(super) fn copy_rectangle(&mut self, params: &[u16]) {
        let Some(source) = self.area(params) else { return };
        let target = [params.get(5), params.get(6)].map(|place| place.copied().unwrap_or(0));
        let Some(target) = self.area(&target) else { return };
        let height = source.rows().len().min(target.rows().len());
        let width = source.columns().len().min(target.columns().len());
        self.work(height, self.columns());
        let columns = source.columns().start..source.columns().start + width;
        let rows: alloc::vec::Vec<_> = self.screen.rows[source.rows()][..height].to_vec();
        for (row, copied) in self.screen.rows[target.rows()].iter_mut().zip(&rows) {
            Rc::make_mut(row).copy(target.columns().start, copied, columns.clone());
        }
    }
}
