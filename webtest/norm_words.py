"""The texts of webtest/norms.toml, so that readers of other languages find them translated; an agency's own texts are shown as it wrote them."""

from calibration.language import N_

NORM_WORDS = (
    N_("Paham/dalam pengembangan"), N_("Dasar"), N_("Menengah"), N_("Mumpuni"), N_("Ahli"),
    N_("Kurang Optimal"), N_("Cukup Optimal"), N_("Optimal"),
    N_("diproses sesuai ketentuan peraturan perundangan"),
    N_("bimbingan kinerja; pengembangan kompetensi; penempatan yang sesuai"),
    N_("bimbingan kinerja; konseling kinerja; pengembangan kompetensi; penempatan yang sesuai"),
    N_("rotasi; pengembangan kompetensi"),
    N_("penempatan yang sesuai; bimbingan kinerja; pengembangan kompetensi"),
    N_("penempatan yang sesuai; bimbingan kinerja; konseling kinerja"),
    N_("dipertahankan; kelompok rencana suksesi instansi; rotasi/pengayaan jabatan; pengembangan kompetensi; tugas belajar"),
    N_("dipertahankan; kelompok rencana suksesi instansi; rotasi/perluasan jabatan; bimbingan kinerja"),
    N_("dipromosikan dan dipertahankan; kelompok rencana suksesi instansi/nasional; penghargaan"),
    N_("Contoh CACT (belum ditetapkan): batas level pada skala theta, sampai penetapan standar (standard setting) dilakukan"),
    N_("Standar umum menurut jenjang jabatan (PermenPANRB 38/2017); jenjang fungsional disederhanakan"),
    N_("Level yang dipersyaratkan untuk aspek potensi (praktik BKN)"),
    N_("Kategori JPM untuk pemetaan (Peraturan BKN 26/2019)"),
    N_("Sembilan kotak (PermenPANRB 3/2020); batas 80/60; bobot sumbu potensial menurut praktik Kepka BKN 411/2025"),
)  # fmt: skip
