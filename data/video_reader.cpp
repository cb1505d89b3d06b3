#include <algorithm>
#include <cstring>

#include "data/codecs.h"
#include "data/ffmpeg.h"
#include "data/video.h"
#include "tensor/error.h"
#include "tensor/file.h"

namespace az::data {
namespace {

using namespace ffmpeg;

/// Formats that a file may have: none that names other files.
constexpr const char* kFormats = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,gif";

/// A file or bytes in memory, as the library reads them.
class Source {
 public:
  explicit Source(const std::filesystem::path& file) : file_(std::make_unique<InputFile>(file)), size_(file_->size()) {}
  Source(const uint8_t* bytes, size_t count) : bytes_(bytes), size_(count) {}

  static int read(void* opaque, uint8_t* out, int wanted) {
    auto* s = static_cast<Source*>(opaque);
    const uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(wanted), s->size_ - std::min(s->at_, s->size_));
    if (count == 0) return AVERROR_EOF;
    try {
      if (s->file_)
        s->file_->read(s->at_, count, out);
      else
        std::memcpy(out, s->bytes_ + s->at_, count);
    } catch (const Error&) {
      return AVERROR(EIO);
    }
    s->at_ += count;
    return static_cast<int>(count);
  }
  static int64_t seek(void* opaque, int64_t offset, int whence) {
    auto* s = static_cast<Source*>(opaque);
    if (whence == AVSEEK_SIZE) return static_cast<int64_t>(s->size_);
    const int way = whence & ~AVSEEK_FORCE;
    const int64_t from = way == SEEK_CUR   ? static_cast<int64_t>(s->at_)
                         : way == SEEK_END ? static_cast<int64_t>(s->size_)
                                           : 0;
    if (offset < -from || offset > INT64_MAX - from) return AVERROR(EINVAL);
    s->at_ = static_cast<uint64_t>(from + offset);
    return from + offset;
  }

 private:
  std::unique_ptr<InputFile> file_;
  const uint8_t* bytes_ = nullptr;
  uint64_t size_ = 0, at_ = 0;
};

/// An enumerator's number, also where a file made the library store one that the enumeration does not have.
template <class Enum>
int number_of(const Enum& value) {
  static_assert(sizeof(Enum) == sizeof(int));
  int number = 0;
  std::memcpy(&number, &value, sizeof(number));
  return number;
}

struct FreeIo {
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};

}  // namespace

struct VideoReader::State {
  std::string name;
  Source source;
  std::unique_ptr<AVIOContext, FreeIo> io;
  Input input;  // before io is freed
  int stream = -1;
  Codec codec;
  Packet packet{av_packet_alloc()};
  Frame frame{av_frame_alloc()}, rgb{av_frame_alloc()};
  Scaler scaler;
  int64_t packets = 0, frames = 0;
  double end = 0;  // of the latest packet of any stream, seconds from the file's start
  bool drained = false;
  std::string damage;  // the first thing that was wrong

  State(std::string n, Source s) : name(std::move(n)), source(std::move(s)) {
    av_log_set_level(AV_LOG_QUIET);  // what matters becomes an Error
    open_input();
    open_codec();
  }

  void open_input() {
    constexpr int kBuffer = 1 << 16;
    auto* buffer = static_cast<unsigned char*>(av_malloc(kBuffer));
    io.reset(avio_alloc_context(buffer, kBuffer, 0, &source, Source::read, nullptr, Source::seek));
    AVFormatContext* made = avformat_alloc_context();
    AZ_CHECK(io && made && packet && frame && rgb, "{}: out of memory", name);
    made->pb = io.get();
    AVDictionary* options = nullptr;
    av_dict_set(&options, "format_whitelist", kFormats, 0);
    const int opened = avformat_open_input(&made, nullptr, nullptr, &options);  // frees `made` when it fails
    av_dict_free(&options);
    AZ_CHECK(opened >= 0, "{}: not a readable video: {}; if it was cut short its index may be gone", name,
             reason(opened));
    input.reset(made);
    const int found = avformat_find_stream_info(input.get(), nullptr);
    AZ_CHECK(found >= 0, "{}: not a readable video: {}", name, reason(found));
  }

  void open_codec() {
    const AVCodec* decoder = nullptr;
    stream = av_find_best_stream(input.get(), AVMEDIA_TYPE_VIDEO, -1, -1, &decoder, 0);
    AZ_CHECK(stream >= 0 && decoder, "{}: there is no video in it that can be decoded", name);
    const AVCodecParameters* parameters = video()->codecpar;
    AZ_CHECK(parameters->width > 0 && parameters->height > 0 &&
                 int64_t{parameters->width} * parameters->height <= kMaxPixels,
             "{}: frames of {} x {} pixels", name, parameters->width, parameters->height);
    codec.reset(avcodec_alloc_context3(decoder));
    AZ_CHECK(codec, "{}: out of memory", name);
    int status = avcodec_parameters_to_context(codec.get(), parameters);
    codec->max_pixels = kMaxPixels;
    if (status >= 0) status = avcodec_open2(codec.get(), decoder, nullptr);
    AZ_CHECK(status >= 0, "{}: its video cannot be decoded: {}", name, reason(status));
  }

  const AVStream* video() const { return input->streams[stream]; }

  void note(const std::string& what) {
    if (damage.empty()) damage = what;
  }

  void note_end() {
    const int64_t time = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (time == AV_NOPTS_VALUE) return;
    const AVRational unit = input->streams[packet->stream_index]->time_base;
    const double start =
        input->start_time == AV_NOPTS_VALUE ? 0 : static_cast<double>(input->start_time) / AV_TIME_BASE;
    end = std::max(end, static_cast<double>(time + packet->duration) * av_q2d(unit) - start);
  }

  /// Error: the file ended before its header says, or something in it was damaged.
  void check_whole(double frames_per_second) const {
    const int64_t expected = video()->nb_frames;
    AZ_CHECK(packets >= expected, "{}: ends after {} of {} frames; the file is cut short", name, frames, expected);
    // Containers without a count state how long they are; a few frames of slack, for the statement is rounded.
    const double duration = static_cast<double>(input->duration) / AV_TIME_BASE;
    AZ_CHECK(input->duration == AV_NOPTS_VALUE || end + 3 / frames_per_second >= duration,
             "{}: ends after {} frames, {:.2f} of {:.2f} seconds; the file is cut short", name, frames, end, duration);
    AZ_CHECK(damage.empty(), "{}: damaged ({}); {} frames could be read", name, damage, frames);
    AZ_CHECK(frames > 0, "{}: no frame in it could be read", name);
  }

  /// Hands the decoder the next packet of the stream, or at the end the sign that there is none.
  void feed() {
    for (;;) {
      const int status = av_read_frame(input.get(), packet.get());
      if (status < 0) {
        if (status != AVERROR_EOF) note(reason(status));
        avcodec_send_packet(codec.get(), nullptr);
        drained = true;
        return;
      }
      note_end();
      if (packet->stream_index != stream) {
        av_packet_unref(packet.get());
        continue;
      }
      ++packets;
      if ((packet->flags & AV_PKT_FLAG_CORRUPT) != 0) note("a damaged packet");
      const int sent = avcodec_send_packet(codec.get(), packet.get());
      if (sent < 0) note(reason(sent));
      av_packet_unref(packet.get());
      return;
    }
  }

  /// The decoded frame as RGB.
  void convert(Image& image) {
    const int width = frame->width, height = frame->height;
    AZ_CHECK(width > 0 && height > 0 && int64_t{width} * height <= kMaxPixels, "{}: a frame of {} x {} pixels", name,
             width, height);
    scaler.reset(sws_getCachedContext(scaler.release(), width, height, static_cast<AVPixelFormat>(frame->format), width,
                                      height, AV_PIX_FMT_RGB24, SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT,
                                      nullptr, nullptr, nullptr));
    AZ_CHECK(scaler, "{}: frames of a kind that cannot become RGB", name);
    const int stated = number_of(frame->colorspace);  // one that the library does not know is its default
    const int space = stated == AVCOL_SPC_UNSPECIFIED ? int{SWS_CS_DEFAULT} : stated;
    sws_setColorspaceDetails(scaler.get(), sws_getCoefficients(space),
                             number_of(frame->color_range) == AVCOL_RANGE_JPEG, sws_getCoefficients(SWS_CS_DEFAULT), 1,
                             0, 1 << 16, 1 << 16);
    // The library writes whole vectors: rows of its own, which are then copied.
    if (rgb->width != width || rgb->height != height) {
      av_frame_unref(rgb.get());
      rgb->format = AV_PIX_FMT_RGB24;
      rgb->width = width;
      rgb->height = height;
      AZ_CHECK(av_frame_get_buffer(rgb.get(), 0) >= 0, "{}: out of memory", name);
    }
    sws_scale(scaler.get(), frame->data, frame->linesize, 0, height, rgb->data, rgb->linesize);
    if (image.width != width || image.height != height || image.channels != 3) image = Image(width, height);
    const auto row = 3 * static_cast<size_t>(width);
    for (int y = 0; y < height; ++y)
      std::memcpy(image.at(0, y), rgb->data[0] + static_cast<ptrdiff_t>(y) * rgb->linesize[0], row);
  }
};

VideoReader::VideoReader(const std::filesystem::path& file)
    : state_(std::make_unique<State>(file.string(), Source(file))) {}
VideoReader::VideoReader(const uint8_t* bytes, size_t count, const std::string& name)
    : state_(std::make_unique<State>(name, Source(bytes, count))) {}
VideoReader::~VideoReader() = default;

bool VideoReader::next(Image& image) {
  State& s = *state_;
  for (;;) {
    const int status = avcodec_receive_frame(s.codec.get(), s.frame.get());
    if (status >= 0) {
      if (s.frame->decode_error_flags != 0) s.note("a damaged frame");
      s.convert(image);
      av_frame_unref(s.frame.get());
      ++s.frames;
      return true;
    }
    if (status != AVERROR(EAGAIN) && status != AVERROR_EOF) s.note(reason(status));
    if (s.drained) break;  // at the end of the stream, or behind an error there
    s.feed();
  }
  s.check_whole(frames_per_second());
  return false;
}

ImageSize VideoReader::size() const { return {state_->codec->width, state_->codec->height}; }

double VideoReader::frames_per_second() const {
  const AVRational rate = state_->video()->avg_frame_rate;
  return rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 25;
}

int64_t VideoReader::frames_read() const { return state_->frames; }

bool is_video_name(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array kEndings = {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".gif"};
  return std::ranges::find(kEndings, ending) != kEndings.end();
}

}  // namespace az::data
