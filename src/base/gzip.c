#include "base/gzip.h"

#include <stdint.h>
#include <zlib.h>

#include "base/memory.h"

enum {
    PIECE_BYTES = 16 * 1024,
    WINDOW_OF_GZIP = 15 + 16, /* zlib: the largest window, with gzip's header and trailer */
    MEMORY_LEVEL = 8,
};

static void *take_memory(void *owner, unsigned count, unsigned size)
{
    (void)owner;
    return memory_new(count, size);
}

static void give_memory(void *owner, void *block)
{
    (void)owner;
    memory_free(block);
}

/* zlib counts in unsigned int. */
static void lend_input(z_stream *stream, struct span *bytes)
{
    struct span piece;

    if (stream->avail_in > 0)
        return;
    piece = span_take_front(bytes, PIECE_BYTES);
    stream->next_in = (z_const Bytef *)(uintptr_t)piece.data; /* it is not written to */
    stream->avail_in = (unsigned)piece.len;
}

bool gzip_is_begun(struct span bytes)
{
    return bytes.len >= 2 && bytes.data[0] == '\x1f' && bytes.data[1] == '\x8b';
}

/* ---- reading ---- */

struct unpacking {
    z_stream stream;
    struct span rest; /* what the stream was not lent yet */
    uint64_t read, made;
    struct buffer *out;
};

static bool take_output(struct unpacking *unpacking, struct span made, struct error *err)
{
    unpacking->made += made.len;
    if (unpacking->made > GZIP_FREE_BYTES && unpacking->made / GZIP_RATIO_MOST > unpacking->read)
        return error_set(err, ERROR_FORMAT,
                         "its gzip data unpack to more than %d times their size: a bomb, not text",
                         GZIP_RATIO_MOST);
    if (made.len > unpacking->out->limit - unpacking->out->len)
        return error_set(err, ERROR_FORMAT,
                         "its gzip data unpack to more than the %zu octets that are allowed",
                         unpacking->out->limit);
    return buffer_append(unpacking->out, made) ||
           error_set(err, ERROR_MEMORY, "no memory to unpack gzip data");
}

static bool refuse(const z_stream *stream, int code, struct error *err)
{
    if (code == Z_MEM_ERROR)
        return error_set(err, ERROR_MEMORY, "no memory to unpack gzip data");
    return error_set(err, ERROR_FORMAT, "its gzip data are damaged: %s",
                     stream->msg != NULL ? stream->msg : "they cannot be unpacked");
}

/* One member, to its end. */
static bool unpack_member(struct unpacking *unpacking, struct error *err)
{
    static const char cut_off[] = "its gzip data are cut off";
    z_stream *stream = &unpacking->stream;
    unsigned char piece[PIECE_BYTES];
    int code = Z_OK;

    while (code != Z_STREAM_END) {
        unsigned before;

        lend_input(stream, &unpacking->rest);
        before = stream->avail_in;
        stream->next_out = piece;
        stream->avail_out = sizeof piece;
        code = inflate(stream, Z_NO_FLUSH);
        unpacking->read += before - stream->avail_in;
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return refuse(stream, code, err);
        if (code == Z_BUF_ERROR && stream->avail_in == 0 && unpacking->rest.len == 0)
            return error_set(err, ERROR_FORMAT, cut_off);
        if (!take_output(unpacking,
                         (struct span){ (const char *)piece, sizeof piece - stream->avail_out },
                         err))
            return false;
    }
    return true;
}

/* What is behind the members read so far. */
static struct span remaining(const struct unpacking *unpacking, struct span bytes)
{
    return span_part(bytes, (size_t)unpacking->read, SIZE_MAX);
}

static bool is_padding(struct span bytes)
{
    while (bytes.len > 0)
        if (span_take(&bytes) != '\0')
            return false;
    return true;
}

static bool unpack_members(struct unpacking *unpacking, struct span bytes, struct error *err)
{
    for (;;) {
        struct span rest;

        if (!unpack_member(unpacking, err))
            return false;
        rest = remaining(unpacking, bytes);
        if (is_padding(rest))
            return true;
        if (!gzip_is_begun(rest))
            return error_set(err, ERROR_FORMAT, "%zu octets stand behind its gzip data", rest.len);
        if (inflateReset(&unpacking->stream) != Z_OK)
            return error_set(err, ERROR_MEMORY, "no memory to unpack gzip data");
    }
}

bool gzip_read(struct span bytes, struct buffer *out, struct error *err)
{
    struct unpacking unpacking = { .stream = { .zalloc = take_memory, .zfree = give_memory },
                                   .rest = bytes,
                                   .out = out };
    bool is_read;

    if (!gzip_is_begun(bytes))
        return error_set(err, ERROR_FORMAT, "it does not begin as gzip data do");
    if (inflateInit2(&unpacking.stream, WINDOW_OF_GZIP) != Z_OK)
        return error_set(err, ERROR_MEMORY, "no memory to unpack gzip data");
    is_read = unpack_members(&unpacking, bytes, err);
    inflateEnd(&unpacking.stream);
    return is_read;
}

/* ---- writing ---- */

bool gzip_write(struct span bytes, struct buffer *out, struct error *err)
{
    z_stream stream = { .zalloc = take_memory, .zfree = give_memory };
    unsigned char piece[PIECE_BYTES];
    bool fits = true;
    int code = deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW_OF_GZIP, MEMORY_LEVEL,
                            Z_DEFAULT_STRATEGY);

    if (code != Z_OK)
        return error_set(err, ERROR_MEMORY, "no memory to pack gzip data");
    while (code == Z_OK && fits) {
        lend_input(&stream, &bytes);
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        code = deflate(&stream, bytes.len > 0 ? Z_NO_FLUSH : Z_FINISH);
        fits = buffer_append(out,
                             (struct span){ (const char *)piece, sizeof piece - stream.avail_out });
    }
    deflateEnd(&stream);
    return (fits && code == Z_STREAM_END) ||
           error_set(err, ERROR_MEMORY, "the packed data are more than there is room for");
}
