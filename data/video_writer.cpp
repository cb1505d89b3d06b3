#include <unistd.h>

#include <cmath>
#include <cstring>

#include "data/ffmpeg.h"
#include "data/video.h"
#include "tensor/error.h"

namespace az::data {
namespace {

using namespace ffmpeg;

struct FreeOutput {
  void operator()(AVFormatContext* p) const {
    avio_closep(&p->pb);
    avformat_free_context(p);
  }
};

}  // namespace

struct VideoWriter::State {
  std::filesystem::path file, temporary;
  ImageSize size, coded;
  std::unique_ptr<AVFormatContext, FreeOutput> output;
  Codec codec;
  AVStream* stream = nullptr;
  Packet packet{av_packet_alloc()};
  Frame frame{av_frame_alloc()};
  Scaler scaler;
  int64_t frames = 0;
  bool finished = false;

  void check(int status) const { AZ_CHECK(status >= 0, "{}: cannot be written: {}", file.string(), reason(status)); }

  void open_codec(double rate) {
    const bool gif = file.extension() == ".gif";
    const AVCodec* encoder = avcodec_find_encoder(gif ? AV_CODEC_ID_GIF : AV_CODEC_ID_H264);
    if (!encoder) encoder = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    AZ_CHECK(encoder, "{}: this FFmpeg has no encoder for it", file.string());
    codec.reset(avcodec_alloc_context3(encoder));
    AZ_CHECK(codec && packet && frame, "{}: out of memory", file.string());
    coded = gif ? size : ImageSize{size.width & ~1, size.height & ~1};
    codec->width = coded.width;
    codec->height = coded.height;
    codec->pix_fmt = gif ? AV_PIX_FMT_RGB8 : AV_PIX_FMT_YUV420P;
    codec->time_base = av_inv_q(av_d2q(rate, 100000));
    codec->framerate = av_inv_q(codec->time_base);
    codec->gop_size = 25;
    if (encoder->id == AV_CODEC_ID_MPEG4)
      codec->flags |= AV_CODEC_FLAG_QSCALE, codec->global_quality = 4 * FF_QP2LAMBDA;
    if ((output->oformat->flags & AVFMT_GLOBALHEADER) != 0) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_opt_set(codec->priv_data, "preset", "veryfast", 0);  // of libx264; others have none
    check(avcodec_open2(codec.get(), encoder, nullptr));
  }

  void open(double rate) {
    AVFormatContext* made = nullptr;
    avformat_alloc_output_context2(&made, nullptr, nullptr, file.string().c_str());
    AZ_CHECK(made, "{}: not a video name, want .mp4, .mov, .mkv or .gif", file.string());
    output.reset(made);
    open_codec(rate);
    stream = avformat_new_stream(output.get(), nullptr);
    AZ_CHECK(stream, "{}: out of memory", file.string());
    stream->time_base = codec->time_base;
    stream->avg_frame_rate = codec->framerate;
    check(avcodec_parameters_from_context(stream->codecpar, codec.get()));
    check(avio_open(&output->pb, temporary.string().c_str(), AVIO_FLAG_WRITE));
    check(avformat_write_header(output.get(), nullptr));
    frame->format = codec->pix_fmt;
    frame->width = coded.width;
    frame->height = coded.height;
    check(av_frame_get_buffer(frame.get(), 0));
    scaler.reset(sws_getContext(coded.width, coded.height, AV_PIX_FMT_RGB24, coded.width, coded.height, codec->pix_fmt,
                                SWS_BILINEAR, nullptr, nullptr, nullptr));
    AZ_CHECK(scaler, "{}: frames cannot be converted", file.string());
  }

  /// Encodes a frame, or with null what the encoder still holds.
  void encode(const AVFrame* one) {
    check(avcodec_send_frame(codec.get(), one));
    for (;;) {
      const int status = avcodec_receive_packet(codec.get(), packet.get());
      if (status == AVERROR(EAGAIN) || status == AVERROR_EOF) return;
      check(status);
      packet->duration = 1;
      av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
      packet->stream_index = stream->index;
      check(av_interleaved_write_frame(output.get(), packet.get()));
    }
  }
};

VideoWriter::VideoWriter(const std::filesystem::path& file, ImageSize size, double frames_per_second)
    : state_(std::make_unique<State>()) {
  AZ_CHECK(size.width >= 2 && size.height >= 2, "{}: a video of {} x {} pixels; want at least 2 x 2", file.string(),
           size.width, size.height);
  AZ_CHECK(frames_per_second > 0 && std::isfinite(frames_per_second), "{}: {} frames a second", file.string(),
           frames_per_second);
  av_log_set_level(AV_LOG_QUIET);
  state_->file = file;
  state_->temporary = file.parent_path() / fmt::format(".{}.{}.tmp", file.filename().string(), getpid());
  state_->size = size;
  state_->open(frames_per_second);
}

VideoWriter::~VideoWriter() {
  if (!state_ || state_->finished) return;
  state_->output.reset();
  std::error_code ignored;
  std::filesystem::remove(state_->temporary, ignored);
}

void VideoWriter::add(const Image& image) {
  State& s = *state_;
  AZ_CHECK(image.width == s.size.width && image.height == s.size.height && image.channels == 3,
           "{}: a frame of {} x {} pixels with {} channels in a video of {} x {}", s.file.string(), image.width,
           image.height, image.channels, s.size.width, s.size.height);
  s.check(av_frame_make_writable(s.frame.get()));
  const uint8_t* planes[] = {image.pixels.data()};
  const int strides[] = {3 * image.width};
  sws_scale(s.scaler.get(), planes, strides, 0, s.coded.height, s.frame->data, s.frame->linesize);
  s.frame->pts = s.frames++;
  s.encode(s.frame.get());
}

void VideoWriter::finish() {
  State& s = *state_;
  AZ_CHECK(s.frames > 0, "{}: a video without frames", s.file.string());
  s.encode(nullptr);
  s.check(av_write_trailer(s.output.get()));
  s.output.reset();
  std::error_code failed;
  std::filesystem::rename(s.temporary, s.file, failed);
  AZ_CHECK(!failed, "{}: cannot be written: {}", s.file.string(), failed.message());
  s.finished = true;
}

}  // namespace az::data
