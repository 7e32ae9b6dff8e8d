"""Refusals: a service says no with a stable code; the page says it in words."""


def _l(text: str) -> str:
    """Marks a text for translation; the page puts it in its reader's language (webtest.request.words_of), the command line in English."""
    return text


MESSAGES = {
    "login_failed": _l("NIP atau PIN tidak cocok, atau PIN sudah tidak berlaku. Periksa kembali atau panggil pengawas."),
    "officer_login_failed": _l("Nama pengguna atau kata sandi tidak cocok."),
    "locked": _l("Terlalu banyak percobaan. Tunggu beberapa menit, lalu coba lagi atau panggil pengawas."),
    "device_bound": _l("Tes Anda sedang terbuka di perangkat lain. Pengawas telah diberi tahu dan dapat menyetujui pemindahan."),
    "moved": _l("Tes ini telah dipindahkan ke perangkat lain."),
    "not_now": _l("Tindakan ini tidak dapat dilakukan pada tahap sekarang. Halaman menampilkan keadaan terbaru."),
    "paused": _l("Tes sedang dijeda oleh pengawas. Waktu Anda berhenti."),
    "time_up": _l("Waktu bagian ini sudah habis. Jawaban terakhir tidak dihitung."),
    "stale_item": _l("Soal itu bukan soal yang sedang berjalan. Halaman menampilkan soal yang benar."),
    "already_answered": _l("Soal itu sudah dijawab, dan jawaban yang sudah disimpan tidak dapat diubah."),
    "no_such_option": _l("Pilih salah satu jawaban terlebih dahulu."),
    "unknown": _l("Data yang diminta tidak ditemukan atau bukan wewenang Anda."),
    "wave_not_open": _l("Gelombang belum dibuka atau sudah ditutup."),
    "wave_not_draft": _l("Gelombang sudah dibuka; daftar peserta sudah dibekukan."),
    "searching": _l(
        "Parameter kendali paparan masih dicari. Gelombang dapat dibuka sesudah pencarian selesai; halaman gelombang menunjukkan kemajuannya."
    ),
    "checking": _l("Rencana tes gelombang ini sedang dicoba dengan simulasi. Buka gelombang sesudah simulasinya selesai."),
    "discarded": _l("Gelombang ini sudah dihapus sebelum dibuka."),
    "wave_not_closed": _l("Gelombang belum ditutup."),
    "reason_missing": _l("Tuliskan alasannya terlebih dahulu."),
    "minutes_wrong": _l("Perpanjangan waktu harus 1 sampai 120 menit."),
    "pins_issued": _l(
        "Tidak ada PIN baru: PIN sudah diterbitkan, dan kartu yang sudah dicetak tetap berlaku. Kartunya tidak dapat ditampilkan lagi; "
        "bila belum dicetak, pilih Terbitkan PIN sekali lagi."
    ),
    "pins_held": _l("Semua yang ditampilkan sudah memegang PIN. Centang peserta yang PIN-nya hendak diganti."),
    "nobody": _l("Tidak ada peserta yang dapat dikenai tindakan ini."),
    "not_draft": _l("Versi itu bukan rancangan; hanya rancangan yang dapat diterbitkan atau ditolak."),
    "superseded": _l("Rancangan itu sudah digantikan oleh putusan petugas pada kalibrasinya. Terbitkan rancangan yang terbaru."),
    "outdated": _l("Versi yang lebih baru sudah terbit sejak rancangan itu dibuat. Buat rancangan baru dari versi yang terbit."),
    "trying": _l("Simulasi versi itu belum selesai. Versi dapat diterbitkan sesudah hasilnya ada; halaman versi menunjukkan kemajuannya."),
    "untried": _l("Cobalah versi itu terlebih dahulu dengan simulasi; hasilnya dibandingkan dengan batas rancangan tes."),
    "limits_missed": _l("Simulasi versi itu tidak memenuhi batas rancangan tes. Menerbitkannya perlu alasan tertulis."),
    "no_estimate": _l("Butir itu tidak mempunyai estimasi, jadi parameternya tidak dapat dipakai."),
    "no_wave": _l("Pilih paling sedikit satu gelombang."),
    "no_answers": _l("Gelombang yang dipilih belum memiliki jawaban."),
    "no_bank": _l("Belum ada versi bank soal yang diterbitkan."),
    "same_person": _l("Perlu dua petugas yang berbeda."),
    "forbidden": _l("Anda tidak berwenang membuka halaman ini."),
}


class Refused(Exception):
    """A use case that may not happen now. `code` is stable and one of MESSAGES; the page translates it. `retry_s`: seconds to wait, where known."""

    def __init__(self, code: str, *, retry_s: int | None = None) -> None:
        if code not in MESSAGES:
            msg = f"refusal code {code} has no message"
            raise KeyError(msg)
        super().__init__(code)
        self.code, self.retry_s = code, retry_s
