/* A disk for tests: loaded by LD_PRELOAD into a process, it stands between the process and the files beneath one folder.
 *
 *   DISK_FOLDER   the folder, absolute and without links; what lies elsewhere is left alone
 *   DISK_LOG      where to record, in one order, what is done there (may be absent)
 *   DISK_ACKS     a file outside of the folder: what is written to it is recorded in the same order
 *   DISK_CONTROL  a file that says what fails, from the next call on (absent or empty: nothing). A line each:
 *                   write EIO|ENOSPC          every write
 *                   grow ENOSPC ROOM          writes that make a file longer, once they have taken ROOM bytes together; the
 *                                             write that meets the end is short, as on a real disk
 *                   truncate|sync|create ERR  ftruncate; fsync and fdatasync; making a file or a folder
 *                   sync lie                  fsync says that all is well and does nothing
 *                 A word after that: only for files whose name ends with it.
 *
 * A record: kind, length of the path, inode, offset, length of the data, then path and data. Kinds:
 *   C create, W write at offset, T truncate to offset, R rename (two paths, each ended by a zero byte), L link (likewise),
 *   U unlink, M mkdir, S sync of a file and D of a folder (offset: 0 done, 1 failed, 2 swallowed), A acknowledgement.
 *
 * Everything goes straight to the kernel by syscall(): the C library's own functions are the ones replaced here.
 * Each call is done and recorded under one lock, so that the order of the records is the order in which things happened.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_FDS 65536

enum what { NOT_OURS = 0, A_FILE, A_FOLDER, THE_ACKS };

struct descriptor {
	enum what what;
	uint64_t inode;
	char *path;
};

struct record {
	uint32_t kind;
	uint32_t path_length;
	uint64_t inode;
	uint64_t offset;
	uint64_t length;
};

static struct descriptor fds[MOST_FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder, *acks, *control;
static int log_fd = -1;
/* What the control file said when `room` was last set. */
static char said[512];
static long long room;

__attribute__((constructor)) static void begin(void)
{
	const char *log = getenv("DISK_LOG");
	folder = getenv("DISK_FOLDER");
	acks = getenv("DISK_ACKS");
	control = getenv("DISK_CONTROL");
	if (log && *log)
		log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/* An absolute path beneath the folder (or the folder itself), into `full`; 0 where it is elsewhere. */
static int ours(const char *path, char full[PATH_MAX])
{
	size_t length;
	if (!folder || !path)
		return 0;
	if (path[0] == '/') {
		if (snprintf(full, PATH_MAX, "%s", path) >= PATH_MAX)
			return 0;
	} else {
		char here[PATH_MAX / 2];
		if (syscall(SYS_getcwd, here, sizeof here) < 0 || snprintf(full, PATH_MAX, "%s/%s", here, path) >= PATH_MAX)
			return 0;
	}
	length = strlen(folder);
	return strncmp(full, folder, length) == 0 && (full[length] == '/' || full[length] == 0);
}

static void put(char kind, uint64_t inode, uint64_t offset, const char *path, size_t path_length, const void *data, size_t length)
{
	struct record head;
	struct iovec parts[3];
	if (log_fd < 0)
		return;
	memset(&head, 0, sizeof head);
	head.kind = (uint32_t)kind;
	head.path_length = (uint32_t)path_length;
	head.inode = inode;
	head.offset = offset;
	head.length = length;
	parts[0] = (struct iovec){ &head, sizeof head };
	parts[1] = (struct iovec){ (void *)(uintptr_t)path, path_length };
	parts[2] = (struct iovec){ (void *)(uintptr_t)data, length };
	/* A record that is not whole would make all that follow unreadable: better no process than a wrong judgement. */
	if (syscall(SYS_writev, log_fd, parts, 3) != (long)(sizeof head + path_length + length))
		abort();
}

static void put_path(char kind, uint64_t inode, uint64_t offset, const char *path)
{
	put(kind, inode, offset, path, strlen(path), NULL, 0);
}

static void put_paths(char kind, const char *from, const char *to)
{
	char both[2 * PATH_MAX];
	size_t first = strlen(from) + 1, second = strlen(to) + 1;
	memcpy(both, from, first);
	memcpy(both + first, to, second);
	put(kind, 0, 0, both, first + second, NULL, 0);
}

static int number_of(const char *name)
{
	return strcmp(name, "ENOSPC") == 0 ? ENOSPC : strcmp(name, "EIO") == 0 ? EIO : -1;
}

/* What is to happen to such a call on such a file: 0 nothing, an errno, or -1 for a lie. `left`: how many bytes may still
 * be added, for `grow`. */
static int fate(const char *call, const char *path, long long *left)
{
	char text[sizeof said] = "", *line, *rest = text;
	long size;
	int fd;
	if (!control)
		return 0;
	fd = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	size = syscall(SYS_read, fd, text, sizeof text - 1);
	syscall(SYS_close, fd);
	text[size > 0 ? size : 0] = 0;
	if (strcmp(text, said) != 0) {
		strcpy(said, text);
		room = LLONG_MIN;
	}
	while ((line = strsep(&rest, "\n"))) {
		char name[32] = "", how[32] = "", third[256] = "", fourth[256] = "";
		const char *suffix = third;
		size_t length, whole = strlen(path);
		if (sscanf(line, "%31s %31s %255s %255s", name, how, third, fourth) < 2 || strcmp(name, call) != 0)
			continue;
		if (left) {
			suffix = fourth;
			if (room == LLONG_MIN)
				room = atoll(third);
			*left = room;
		}
		length = strlen(suffix);
		if (length > whole || strcmp(path + whole - length, suffix) != 0)
			continue;
		return number_of(how);
	}
	return 0;
}

static int fails(const char *call, const char *path)
{
	int error = fate(call, path, NULL);
	if (error > 0)
		errno = error;
	return error > 0;
}

static struct descriptor *known(int fd)
{
	return fd >= 0 && fd < MOST_FDS && fds[fd].what != NOT_OURS ? &fds[fd] : NULL;
}

static void forget(struct descriptor *d)
{
	d->what = NOT_OURS;
	free(d->path);
	d->path = NULL;
}

static int open_at(int at, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	struct stat meta;
	int fd, is_ack = acks && path && strcmp(path, acks) == 0, existed;
	if (!is_ack && ((at != AT_FDCWD && path && path[0] != '/') || !ours(path, full)))
		return (int)syscall(SYS_openat, at, path, flags, mode);
	pthread_mutex_lock(&lock);
	existed = is_ack || syscall(SYS_faccessat, AT_FDCWD, full, F_OK) == 0;
	if (!existed && (flags & O_CREAT) && fails("create", full)) {
		pthread_mutex_unlock(&lock);
		return -1;
	}
	fd = (int)syscall(SYS_openat, at, path, flags, mode);
	if (fd >= 0 && fd < MOST_FDS && fstat(fd, &meta) == 0) {
		struct descriptor *d = &fds[fd];
		forget(d);
		d->what = is_ack ? THE_ACKS : S_ISDIR(meta.st_mode) ? A_FOLDER : A_FILE;
		d->inode = meta.st_ino;
		d->path = strdup(is_ack ? acks : full);
		if (!existed)
			put_path('C', meta.st_ino, 0, full);
		else if (!is_ack && (flags & O_TRUNC))
			put('T', meta.st_ino, 0, NULL, 0, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static mode_t mode_of(int flags, va_list rest)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}

#define AN_OPEN(name)                                          \
	int name(const char *path, int flags, ...)             \
	{                                                      \
		va_list rest;                                  \
		mode_t mode;                                   \
		va_start(rest, flags);                         \
		mode = mode_of(flags, rest);                   \
		va_end(rest);                                  \
		return open_at(AT_FDCWD, path, flags, mode);   \
	}
AN_OPEN(open)
AN_OPEN(open64)

#define AN_OPENAT(name)                                        \
	int name(int at, const char *path, int flags, ...)     \
	{                                                      \
		va_list rest;                                  \
		mode_t mode;                                   \
		va_start(rest, flags);                         \
		mode = mode_of(flags, rest);                   \
		va_end(rest);                                  \
		return open_at(at, path, flags, mode);         \
	}
AN_OPENAT(openat)
AN_OPENAT(openat64)

int close(int fd)
{
	/* Not ours: no lock, for a process that was forked while another thread held it must be able to close. */
	struct descriptor *d = known(fd);
	int outcome;
	if (!d)
		return (int)syscall(SYS_close, fd);
	pthread_mutex_lock(&lock);
	forget(d);
	outcome = (int)syscall(SYS_close, fd);
	pthread_mutex_unlock(&lock);
	return outcome;
}

/* Writes at `offset`, or where the descriptor stands (-1). */
static ssize_t write_at(int fd, const void *data, size_t length, off_t offset)
{
	struct descriptor *d = known(fd);
	struct stat meta;
	off_t at = offset;
	ssize_t written = -1;
	long long left = 0;
	int error;
	if (!d)
		return offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
	pthread_mutex_lock(&lock);
	if (d->what == THE_ACKS) {
		put('A', 0, 0, NULL, 0, data, length);
		written = syscall(SYS_write, fd, data, length);
		goto out;
	}
	if (fails("write", d->path) || fstat(fd, &meta) != 0)
		goto out;
	if (offset < 0)
		at = fcntl(fd, F_GETFL) & O_APPEND ? meta.st_size : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
	if (at + (off_t)length > meta.st_size && (error = fate("grow", d->path, &left)) > 0) {
		off_t most = meta.st_size + (left > 0 ? left : 0);
		if (at >= most) {
			errno = error;
			goto out;
		}
		if (at + (off_t)length > most)
			length = (size_t)(most - at);
		if (at + (off_t)length > meta.st_size)
			room -= at + (off_t)length - meta.st_size;
	}
	written = offset < 0 ? syscall(SYS_write, fd, data, length) : syscall(SYS_pwrite64, fd, data, length, offset);
	if (written > 0)
		put('W', d->inode, (uint64_t)at, NULL, 0, data, (size_t)written);
out:
	pthread_mutex_unlock(&lock);
	return written;
}

ssize_t write(int fd, const void *data, size_t length) { return write_at(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) { return write_at(fd, data, length, offset); }

/* Part after part: a short one ends it, as the kernel may. */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
	ssize_t total = 0;
	if (!known(fd))
		return syscall(SYS_writev, fd, parts, count);
	for (int n = 0; n < count; n++) {
		ssize_t written = parts[n].iov_len ? write_at(fd, parts[n].iov_base, parts[n].iov_len, -1) : 0;
		if (written < 0)
			return total ? total : -1;
		total += written;
		if ((size_t)written < parts[n].iov_len)
			break;
	}
	return total;
}

static int truncate_to(int fd, off_t length)
{
	struct descriptor *d = known(fd);
	int outcome = -1;
	if (!d)
		return (int)syscall(SYS_ftruncate, fd, length);
	pthread_mutex_lock(&lock);
	if (!fails("truncate", d->path)) {
		outcome = (int)syscall(SYS_ftruncate, fd, length);
		if (outcome == 0)
			put('T', d->inode, (uint64_t)length, NULL, 0, NULL, 0);
	}
	pthread_mutex_unlock(&lock);
	return outcome;
}

int ftruncate(int fd, off_t length) { return truncate_to(fd, length); }
int ftruncate64(int fd, off_t length) { return truncate_to(fd, length); }

static int sync_of(long call, int fd)
{
	struct descriptor *d = known(fd);
	int outcome = 0, error;
	if (!d)
		return (int)syscall(call, fd);
	pthread_mutex_lock(&lock);
	error = fate("sync", d->path, NULL);
	/* The disk below is not the one under test, and a real sync would cost most of the time of a recording. */
	if (error > 0) {
		errno = error;
		outcome = -1;
	}
	if (d->what == A_FOLDER)
		put_path('D', 0, error > 0 ? 1 : error < 0 ? 2 : 0, d->path);
	else
		put('S', d->inode, error > 0 ? 1 : error < 0 ? 2 : 0, NULL, 0, NULL, 0);
	pthread_mutex_unlock(&lock);
	return outcome;
}

int fsync(int fd) { return sync_of(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_of(SYS_fdatasync, fd); }

int rename(const char *from, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];
	int outcome;
	if (!ours(from, a) || !ours(to, b))
		return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	pthread_mutex_lock(&lock);
	outcome = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (outcome == 0)
		put_paths('R', a, b);
	pthread_mutex_unlock(&lock);
	return outcome;
}

static int link_to(const char *from, const char *to, int flags)
{
	char a[PATH_MAX], b[PATH_MAX];
	int outcome = -1;
	if (!ours(from, a) || !ours(to, b))
		return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, flags);
	pthread_mutex_lock(&lock);
	if (syscall(SYS_faccessat, AT_FDCWD, b, F_OK) == 0 || !fails("create", b)) {
		outcome = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, flags);
		if (outcome == 0)
			put_paths('L', a, b);
	}
	pthread_mutex_unlock(&lock);
	return outcome;
}

int link(const char *from, const char *to) { return link_to(from, to, 0); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
	if (from_at != AT_FDCWD || to_at != AT_FDCWD)
		return (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
	return link_to(from, to, flags);
}

int unlink(const char *path)
{
	char full[PATH_MAX];
	int outcome;
	if (!ours(path, full))
		return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	pthread_mutex_lock(&lock);
	outcome = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (outcome == 0)
		put_path('U', 0, 0, full);
	pthread_mutex_unlock(&lock);
	return outcome;
}

int mkdir(const char *path, mode_t mode)
{
	char full[PATH_MAX];
	int outcome = -1;
	if (!ours(path, full))
		return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
	pthread_mutex_lock(&lock);
	/* What is there already is found so before any room is looked for. */
	if (syscall(SYS_faccessat, AT_FDCWD, full, F_OK) == 0 || !fails("create", full)) {
		outcome = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
		if (outcome == 0)
			put_path('M', 0, 0, full);
	}
	pthread_mutex_unlock(&lock);
	return outcome;
}
