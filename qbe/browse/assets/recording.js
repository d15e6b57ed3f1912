// Sounds of one's own: recorded, and turned into WAV that the server can read.

const RATE = 16000;
// Sound from the microphone until `stop` is called; gives a WAV file, mono at 16 kHz.
export async function record() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve));
  recorder.start();
  return async () => {
    recorder.stop();
    await ended;
    stream.getTracks().forEach((track) => track.stop());
    return wav(await new Blob(parts).arrayBuffer());
  };
}

// What the browser can decode, as WAV. libsndfile cannot read what browsers record.
export async function wav(content) {
  const decoded = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(content);
  const mixed = new OfflineAudioContext(1, decoded.length, RATE);
  const source = mixed.createBufferSource();
  source.buffer = decoded;
  source.connect(mixed.destination);
  source.start();
  const samples = (await mixed.startRendering()).getChannelData(0);
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, k) => view.setUint8(at + k, letter.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true); view.setUint32(28, 2 * RATE, true); view.setUint16(32, 2, true); view.setUint16(34, 16, true);
  text(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, k) => view.setInt16(44 + 2 * k, Math.max(-1, Math.min(1, sample)) * 32767, true));
  return view.buffer;
}
