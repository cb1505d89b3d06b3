// FFmpeg's objects with owners, and its errors in words. For data/video*.cpp only.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
}

#include <array>
#include <memory>
#include <string>

namespace az::data::ffmpeg {

/// A function that frees a pointer through a pointer to it, as a deleter.
template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* p) const {
    kFree(&p);
  }
};

struct FreeScaler {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};

using Packet = std::unique_ptr<AVPacket, Free<av_packet_free>>;
using Frame = std::unique_ptr<AVFrame, Free<av_frame_free>>;
using Codec = std::unique_ptr<AVCodecContext, Free<avcodec_free_context>>;
using Input = std::unique_ptr<AVFormatContext, Free<avformat_close_input>>;
using Scaler = std::unique_ptr<SwsContext, FreeScaler>;

/// What an error number of the library means.
inline std::string reason(int error) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(error, text.data(), text.size());
  return text.data();
}

}  // namespace az::data::ffmpeg
